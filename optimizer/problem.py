"""What is maximised and what is allowed, in integers only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from optimizer.constraining import check_constraints, whole_constraints
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
        latest_cut: the last block that may drop tokens; None for the last there is.
        cut_blocks: the only blocks that may drop tokens, ascending; None for any.
        pinned: pairs (block, count), blocks ascending: exactly that count leaves that block.
        largest_drop: tokens that one block drops at most; None for no limit.

    All constraints hold at once: a block drops tokens only where none of them forbids it.
    Whatever the budget, some schedule obeys them, or the problem is refused.

    Raises:
        ProblemError: shapes disagree, counts do not ascend, a number is no integer or
            negative, sums could overflow, a constraint is out of range, or the
            constraints leave no schedule.

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
    latest_cut: int | None = field(default=None, kw_only=True)
    cut_blocks: tuple[int, ...] | None = field(default=None, kw_only=True)
    pinned: tuple[tuple[int, int], ...] = field(default=(), kw_only=True)
    largest_drop: int | None = field(default=None, kw_only=True)

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
        whole_constraints(self)
        self._check_arrays()
        check_constraints(self)

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

    @property
    def depth(self) -> int:
        """Transformer blocks."""
        return len(self.value)

    @property
    def full(self) -> int:
        """The count of an uncut image."""
        return int(self.counts[-1])

    @property
    def may_drop(self) -> npt.NDArray[np.bool_]:
        """Shape (depth,): the blocks that may drop tokens."""
        blocks = np.arange(self.depth)
        good: npt.NDArray[np.bool_] = blocks >= self.earliest_cut
        if self.latest_cut is not None:
            good &= blocks <= self.latest_cut
        if self.cut_blocks is not None:
            good &= np.isin(blocks, self.cut_blocks)
        return good

    @property
    def cut_limit(self) -> int:
        """Blocks that may drop tokens at most: a limit that always binds."""
        most = int(self.may_drop.sum())
        return most if self.max_cuts is None else min(self.max_cuts, most)

    @property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """Shape (C,): the counts a cut may leave; the full count always is."""
        good: npt.NDArray[np.bool_] = (self.counts >= self.least_count) & (
            self.counts % self.multiple_of == 0
        )
        good[-1] = True
        return good

    @property
    def may_leave(self) -> npt.NDArray[np.bool_]:
        """Shape (depth, C): the counts that may leave a block, by `allowed` and `pinned`."""
        good = np.tile(self.allowed, (self.depth, 1))
        for block, count in self.pinned:
            good[block] &= self.counts == count
        return good

    @property
    def highest_before(self) -> Int64:
        """Shape (C,): the last column that one cut may come from, to each."""
        if self.largest_drop is None:
            return np.full(len(self.counts), len(self.counts) - 1, dtype=np.int64)
        # No drop is larger than the full count, and the sum must not overflow.
        most = self.counts + min(self.largest_drop, self.full)
        return (np.searchsorted(self.counts, most, side="right") - 1).astype(np.int64)

    def allowed_only(self) -> Problem:
        """The same problem without the columns that no schedule may use."""
        keep = self.allowed
        if keep.all():
            return self
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
        return int(self.latency_by_count(tokens).sum())

    def latency_by_count(self, tokens: tuple[int, ...]) -> Int64:
        """What a schedule spends at each count; what no cut changes is at the full one.

        Returns:
            Shape (C,), whole nanoseconds.

        Raises:
            ProblemError: a count is unknown, or there is not one per block.
        """
        spent = np.zeros(len(self.counts), dtype=np.int64)
        spent[-1], before = self.fixed_ns, len(self.counts) - 1
        for block, column in enumerate(self._columns(tokens)):
            cut_ns = int(self.cut_ns[block, column]) if column < before else 0
            spent[column] += int(self.segment_ns[block, column]) + cut_ns
            before = column
        return spent

    def value_of(self, tokens: tuple[int, ...]) -> int:
        """What a schedule is worth.

        Raises:
            ProblemError: a count is unknown, or there is not one per block.
        """
        return sum(int(self.value[i, k]) for i, k in enumerate(self._columns(tokens)))

    def _columns(self, tokens: tuple[int, ...]) -> list[int]:
        known = {count: column for column, count in enumerate(self.counts.tolist())}
        if len(tokens) != self.depth or not known.keys() >= set(tokens):
            raise ProblemError(f"tokens must be {self.depth} of the problem's counts")
        return [known[count] for count in tokens]
