"""One block put to the end of every start, or to the start of every end.

Both are the same step seen from two sides: a part keeps its column, or a cut moves it to
another one. What a start pays for a cut depends on the column that it goes to, what an end
pays on the column that it had; so a step has prices for leaving a column and for entering one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.problem import Int64, Problem
from optimizer.solvers.pricing import best_above, best_below, layers_of

__all__ = ["Mask", "Step", "Steps", "steps_of"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What a block costs and gains; each array has shape (C,).

    Attributes:
        back: whether it is put before ends; if not, behind starts.
        keep_ns: the block's latency where the column stays.
        keep_value: its value there.
        may_keep: whether the column may stay.
        may_cut: whether tokens may drop here.
        leave_ns: what a cut adds by the column that the part had.
        leave_value: the same of value.
        may_cut_from: whether a part with this column may be cut.
        enter_ns: what a cut adds by the column that it gives the part.
        enter_value: the same of value.
        may_enter: whether a cut may give a part this column.
        first: the first column that a cut to this one starts from.
        last: the last such column.
        shift: what a cut adds to the state, the column left aside.
        highest: `Problem.highest_before`.
    """

    back: bool
    keep_ns: Int64
    keep_value: Int64
    may_keep: Mask
    may_cut: bool
    leave_ns: Int64
    leave_value: Int64
    may_cut_from: Mask
    enter_ns: Int64
    enter_value: Int64
    may_enter: Mask
    first: Int64
    last: Int64
    shift: int
    highest: Int64

    @property
    def nested(self) -> bool:
        """Whether the columns that can be entered shrink from one source to the next."""
        return bool(self.highest[0] == len(self.highest) - 1)

    def best_entered(self, rows: Int64) -> Int64:
        """For each column, the greatest of a row over the columns that a cut may give it."""
        return (best_above if self.back else best_below)(rows, self.highest)


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The steps of every block, in both directions.

    Attributes:
        on: shape (depth,), behind starts.
        back: shape (depth,), before ends.
    """

    on: tuple[Step, ...]
    back: tuple[Step, ...]


def steps_of(problem: Problem) -> Steps:
    """The steps of a problem with allowed counts only."""
    width, highest = len(problem.counts), problem.highest_before
    columns, shift = np.arange(width), layers_of(problem)[1] * width
    nothing, every = np.zeros(width, dtype=np.int64), np.ones(width, dtype=np.bool_)
    lowest = np.searchsorted(highest, columns)
    on, back = [], []
    for i, (may, drops) in enumerate(zip(problem.may_leave, problem.may_drop, strict=True)):
        segment, value = problem.segment_ns[i], problem.value[i]
        kept, paid = (
            (segment, value, may, bool(drops)),
            (segment + problem.cut_ns[i], value, may),
        )
        free = (nothing, nothing, every)
        on.append(Step(False, *kept, *free, *paid, columns + 1, highest, -shift, highest))
        back.append(Step(True, *kept, *paid, *free, lowest, columns - 1, shift, highest))
    return Steps(tuple(on), tuple(back))
