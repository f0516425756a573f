"""What is maximised and what is allowed, in integers only."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from optimizer.errors import ProblemError

__all__ = ["Int64", "Problem"]

Int64 = npt.NDArray[np.int64]

_LIMIT = 1 << 60
"""Sums of values and of latencies stay below this, so that int64 cannot overflow."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Choose one token count per block, of greatest value, within a latency budget.

    Maximise ``sum_i value[i, k_i]`` where ``counts[k_i]`` never rises from block to block,
    and ``fixed_ns + sum_i segment_ns[i, k_i] + sum_{i that drop tokens} cut_ns[i, k_i]``
    is at most ``budget_ns``. Before block 0 all tokens are there: ``counts[-1]``.

    Attributes:
        counts: shape (C,), tokens, prefix included; ascending; the last is the full count.
        value: shape (depth, C); any integers.
        segment_ns: shape (depth, C), what runs on the tokens that block ``i``'s cut leaves.
        cut_ns: shape (depth, C), paid at block ``i`` only if tokens drop there, by the
            count that is left.
        fixed_ns: what no cut changes.
        budget_ns: the whole model must stay within it.
        earliest_cut: the first block, counted from 0, that may drop tokens.
        max_cuts: blocks that may drop tokens at most; None for no limit.
        least_count: tokens that every block keeps at least.
        multiple_of: every count but the full one is a multiple of this.

    Raises:
        ProblemError: shapes disagree, counts do not ascend, a number is no integer or
            negative, sums could overflow, or a constraint is out of range.

    >>> import numpy as np
    >>> problem = Problem(np.array([1, 2]), np.array([[1, 2]]), np.array([[10, 20]]),
    ...                   np.array([[5, 0]]), 3, 18)
    >>> problem.latency_ns((1,)), problem.latency_ns((2,))
    (18, 23)
    """

    counts: Int64
    value: Int64
    segment_ns: Int64
    cut_ns: Int64
    fixed_ns: int
    budget_ns: int
    earliest_cut: int = field(default=0, kw_only=True)
    max_cuts: int | None = field(default=None, kw_only=True)
    least_count: int = field(default=1, kw_only=True)
    multiple_of: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("counts", "value", "segment_ns", "cut_ns"):
            given = np.asarray(getattr(self, name))
            if given.dtype.kind not in "iu":
                raise ProblemError(f"{name} holds {given.dtype}: must be integers")
            if given.size and int(given.max()) >= _LIMIT:
                raise ProblemError(f"{name} holds 2**60 or more: use a coarser unit")
            array = given.astype(np.int64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        for name in ("fixed_ns", "budget_ns"):
            object.__setattr__(self, name, self._whole(name))
        for name in ("earliest_cut", "least_count", "multiple_of"):
            object.__setattr__(self, name, self._whole(name))
        if self.max_cuts is not None:
            object.__setattr__(self, "max_cuts", self._whole("max_cuts"))
        self._check_arrays()
        self._check_constraints()

    def _whole(self, name: str) -> int:
        try:
            return operator.index(getattr(self, name))
        except TypeError:
            raise ProblemError(
                f"{name} is {getattr(self, name)!r}: must be an integer"
            ) from None

    def _check_arrays(self) -> None:
        if self.counts.ndim != 1 or not self.counts.size or self.value.ndim != 2:
            raise ProblemError("counts must have shape (C,) and value (depth, C), none empty")
        shape = (len(self.value), len(self.counts))
        for name in ("value", "segment_ns", "cut_ns"):
            found = getattr(self, name).shape
            if found != shape or 0 in shape:
                raise ProblemError(f"{name} has shape {found}: must be (depth, C) = {shape}")
        if self.counts[0] < 1 or np.any(np.diff(self.counts) <= 0):
            raise ProblemError("counts must be positive and ascend")
        if min(self.segment_ns.min(), self.cut_ns.min(), self.fixed_ns) < 0:
            raise ProblemError("segment_ns, cut_ns and fixed_ns must not be negative")
        longest = self.segment_ns.max(axis=1).astype(object) + self.cut_ns.max(axis=1)
        greatest = np.abs(self.value.astype(object)).max(axis=1)
        if longest.sum() + self.fixed_ns >= _LIMIT or greatest.sum() >= _LIMIT:
            raise ProblemError("latencies or values sum to 2**60 or more: use a coarser unit")

    def _check_constraints(self) -> None:
        if self.budget_ns < 0:
            raise ProblemError(f"budget_ns is {self.budget_ns}: must not be negative")
        if self.earliest_cut < 0:
            raise ProblemError(f"earliest_cut is {self.earliest_cut}: must be 0 or more")
        if self.max_cuts is not None and self.max_cuts < 0:
            raise ProblemError(f"max_cuts is {self.max_cuts}: must be 0 or more")
        if not 1 <= self.least_count <= self.full:
            raise ProblemError(
                f"least_count is {self.least_count}: must be 1 to the full count ({self.full})"
            )
        if self.multiple_of < 1:
            raise ProblemError(f"multiple_of is {self.multiple_of}: must be 1 or more")

    @property
    def depth(self) -> int:
        """Transformer blocks."""
        return len(self.value)

    @property
    def full(self) -> int:
        """The count of an uncut image."""
        return int(self.counts[-1])

    @property
    def cut_limit(self) -> int:
        """Blocks that may drop tokens at most: a limit that always binds."""
        most = max(self.depth - self.earliest_cut, 0)
        return most if self.max_cuts is None else min(self.max_cuts, most)

    @property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """Shape (C,): the counts a cut may leave; the full count always is."""
        good: npt.NDArray[np.bool_] = (self.counts >= self.least_count) & (
            self.counts % self.multiple_of == 0
        )
        good[-1] = True
        return good

    def allowed_only(self) -> Problem:
        """The same problem without the columns that no schedule may use."""
        keep = self.allowed
        return replace(
            self,
            counts=self.counts[keep],
            value=self.value[:, keep],
            segment_ns=self.segment_ns[:, keep],
            cut_ns=self.cut_ns[:, keep],
        )

    def with_budget(self, budget_ns: int) -> Problem:
        """The same problem under another budget."""
        return replace(self, budget_ns=budget_ns)

    def latency_ns(self, tokens: tuple[int, ...]) -> int:
        """What a schedule costs, in whole nanoseconds.

        Raises:
            ProblemError: a count is unknown, or there is not one per block.
        """
        columns = self._columns(tokens)
        total, before = self.fixed_ns, len(self.counts) - 1
        for block, column in enumerate(columns):
            total += int(self.segment_ns[block, column])
            total += int(self.cut_ns[block, column]) if column < before else 0
            before = column
        return total

    def value_of(self, tokens: tuple[int, ...]) -> int:
        """What a schedule is worth.

        Raises:
            ProblemError: a count is unknown, or there is not one per block.
        """
        return sum(int(self.value[i, k]) for i, k in enumerate(self._columns(tokens)))

    def _columns(self, tokens: tuple[int, ...]) -> list[int]:
        known = {int(count): column for column, count in enumerate(self.counts)}
        if len(tokens) != self.depth or not known.keys() >= set(tokens):
            raise ProblemError(f"tokens must be {self.depth} of the problem's counts")
        return [known[count] for count in tokens]
