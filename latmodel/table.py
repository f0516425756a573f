"""The latency table: where `latmodel` ends and `optimizer` begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from latmodel.ending import Ending
from latmodel.errors import LatmodelError
from latmodel.uncertainty import Uncertainty

__all__ = ["Int64", "LatencyTable", "ceil_ns"]

Int64 = npt.NDArray[np.int64]


def ceil_ns(latency_ns: npt.ArrayLike) -> Int64:
    """Latency in whole nanoseconds, rounded up, so that rounding never breaks a budget.

    Raises:
        LatmodelError: a value is negative, not finite, or beyond 292 years.

    >>> ceil_ns([0.0, 1.2, 3.0]).tolist()
    [0, 2, 3]
    """
    values = np.asarray(latency_ns, dtype=np.float64)
    if not np.all(np.isfinite(values)) or np.any(values < 0) or np.any(values >= 2.0**63):
        raise LatmodelError("a latency is negative, not finite or beyond 2**63 ns")
    return np.ceil(values).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatencyTable:
    """What every block costs at every token count, for one workload on one device.

    Segment ``i`` is the MLP of block ``i`` and the attention of block ``i + 1``: what runs
    on the tokens that the cut of block ``i`` leaves. The last segment is the last MLP
    alone. A schedule costs ``fixed_ns + sum_i segment_ns[i, k_i]``, and ``cut_ns[i, k_i]``
    more for each block ``i`` that drops tokens.

    Where there is an `ending`, a schedule may end in as many tokens as its prefix has. The
    last block then costs what the ending says, and has no cut to pay for.

    Attributes:
        counts: shape (C,), tokens, prefix included; ascending; the last is the full count.
        segment_ns: shape (depth, C), whole nanoseconds, rounded up.
        cut_ns: shape (depth, C), whole nanoseconds: scoring, choosing and gathering.
        fixed_ns: embedding, the first attention at the full count, and the head.
        relative_error: shape (C,), one standard deviation of a segment's latency at that
            count, as a fraction of it.
        origin: what the numbers were made from, in words a user can read.
        warnings: what the user must know before trusting them.
        ending: the last block where it keeps the prefix alone; None where the head reads
            other tokens, or there is no block before it.
        uncertainty: how `relative_error` is made up; None where nothing is known to be
            independent from one count to another, and all of it is taken as shared.
        timed: shape (C,), the counts that were timed; None where that is not known, as of
            what operators compose.

    Raises:
        LatmodelError: shapes disagree, counts do not ascend, a latency is negative, or
            `uncertainty` does not come to `relative_error`.
    """

    counts: Int64
    segment_ns: Int64
    cut_ns: Int64
    fixed_ns: int
    relative_error: npt.NDArray[np.float64]
    origin: str
    warnings: tuple[str, ...] = ()
    ending: Ending | None = None
    uncertainty: Uncertainty | None = None
    timed: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for name in ("counts", "segment_ns", "cut_ns", "relative_error"):
            array = getattr(self, name).copy()  # the caller's own stay writable
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        shape = (len(self.segment_ns), len(self.counts))
        if self.segment_ns.shape != shape or self.cut_ns.shape != shape or 0 in shape:
            raise LatmodelError(
                f"segment_ns has shape {self.segment_ns.shape} and cut_ns {self.cut_ns.shape}: "
                f"both must be (depth, {len(self.counts)})"
            )
        if self.counts[0] < 1 or np.any(np.diff(self.counts) <= 0):
            raise LatmodelError("counts must be positive and ascend")
        if self.relative_error.shape != self.counts.shape:
            raise LatmodelError("relative_error must hold one value per count")
        if not np.all(self.relative_error >= 0):  # NaN is not either
            raise LatmodelError("a relative error is negative or no number")
        if self.fixed_ns < 0 or np.any(self.segment_ns < 0) or np.any(self.cut_ns < 0):
            raise LatmodelError("a latency is negative")
        if self.ending is not None and (
            self.depth < 2 or self.ending.segment_ns.shape != self.counts.shape
        ):
            raise LatmodelError("an ending needs two blocks or more and one value per count")
        self._check_uncertainty()

    def _check_uncertainty(self) -> None:
        known = self.uncertainty
        if known is not None and (
            known.total.shape != self.counts.shape
            or not np.allclose(known.total, self.relative_error, rtol=1e-9, atol=1e-12)
        ):
            raise LatmodelError(
                "uncertainty must hold one value per count, and both of its parts together "
                "come to relative_error"
            )
        if self.timed is None:
            return
        if self.timed.shape != self.counts.shape:
            raise LatmodelError("timed must hold one value per count")
        timed = self.timed.copy()  # as above
        timed.setflags(write=False)
        object.__setattr__(self, "timed", timed)

    @property
    def depth(self) -> int:
        """Transformer blocks."""
        return len(self.segment_ns)

    @property
    def dense_ns(self) -> int:
        """The whole model with every token kept."""
        return self.fixed_ns + int(self.segment_ns[:, -1].sum())

    @property
    def parts(self) -> Uncertainty:
        """The errors by what they go together with; all shared where nothing else is known."""
        known = self.uncertainty
        return Uncertainty.all_shared(self.relative_error) if known is None else known

    def only(self, counts: Int64) -> LatencyTable:
        """The same table without the counts that are not named; the full one stays.

        Args:
            counts: tokens; those that the table does not have are passed over.

        Raises:
            LatmodelError: the full count is not among them.

        >>> table = LatencyTable(counts=np.array([1, 2, 3]), segment_ns=np.array([[4, 5, 6]]),
        ...     cut_ns=np.array([[1, 1, 1]]), fixed_ns=9, relative_error=np.zeros(3), origin="")
        >>> table.only(np.array([1, 3])).segment_ns.tolist()
        [[4, 6]]
        """
        keep = np.isin(self.counts, counts)
        if not keep[-1]:
            raise LatmodelError(
                f"counts leave out {self.counts[-1]}, the full count, which every schedule "
                "starts from"
            )
        ending = self.ending
        return replace(
            self,
            counts=self.counts[keep],
            segment_ns=self.segment_ns[:, keep],
            cut_ns=self.cut_ns[:, keep],
            relative_error=self.relative_error[keep],
            ending=ending and replace(ending, segment_ns=ending.segment_ns[keep]),
            uncertainty=self.uncertainty and self.uncertainty.at(keep),
            timed=None if self.timed is None else self.timed[keep],
        )

    def latency_ns(self, tokens: tuple[int, ...]) -> int:
        """The whole model when block ``i`` keeps ``tokens[i]``; shape (depth,).

        Raises:
            LatmodelError: a count is not in the table or above the one before it, or there
                is not one per block.
        """
        segments, columns = self._segments_ns(tokens)
        asked = np.array((self.counts[-1], *tokens))[: len(columns) + 1]
        cuts = self.cut_ns[np.arange(len(columns)), columns][asked[1:] < asked[:-1]]
        ending = self._ending_of(tokens)
        last = 0 if ending is None else ending.mlp_ns
        return self.fixed_ns + int(segments.sum()) + int(cuts.sum()) + last

    def relative_error_of(self, tokens: tuple[int, ...]) -> float:
        """One standard deviation of a schedule's latency, as a fraction of it.

        The errors of the segments are taken as fully shared: one device, one clock, one
        model of it. The figure is therefore an upper bound for independent errors. That of
        an ending's last MLP, which is next to nothing, is left out.

        Raises:
            LatmodelError: as `latency_ns`.
        """
        segments, columns = self._segments_ns(tokens)
        weighted = float(segments.astype(np.float64) @ self.relative_error[columns])
        return weighted / max(float(segments.sum()), 1.0)

    def _ending_of(self, tokens: tuple[int, ...]) -> Ending | None:
        """The ending, if these counts end in it."""
        here = self.ending is not None and tokens[-1:] == (self.ending.prefix,)
        return self.ending if here else None

    def _segments_ns(self, tokens: tuple[int, ...]) -> tuple[Int64, Int64]:
        """What the segments cost and their columns; an ending's last MLP is none of them."""
        columns = self._columns(tokens)
        segments = self.segment_ns[np.arange(len(columns)), columns]
        ending = self._ending_of(tokens)
        if ending is not None:
            segments[-1] = ending.segment_ns[columns[-1]]
        return segments, columns

    def _columns(self, tokens: tuple[int, ...]) -> Int64:
        column = {int(count): k for k, count in enumerate(self.counts)}
        falls = all(after <= before for before, after in pairwise(tokens))
        asked = tokens if self._ending_of(tokens) is None else tokens[:-1]
        if len(tokens) != self.depth or not falls or not column.keys() >= set(asked):
            raise LatmodelError(
                f"tokens must be {self.depth} of the table's counts, none above the one before"
            )
        return np.array([column[count] for count in asked], dtype=np.int64)
