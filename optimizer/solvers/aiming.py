"""Which value to aim at next, between a bound and a schedule in hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimizer.problem import Problem
from optimizer.solvers.bounding import Bounds, bounds_for
from optimizer.solvers.clock import Clock
from optimizer.solvers.growing import ends_from, starts_from
from optimizer.solvers.meeting import Schedules, meet
from optimizer.solvers.relaxing import Relaxation
from optimizer.solvers.stepping import Steps, steps_of

__all__ = ["Search"]

_MORE, _MANY_MORE = 4, 64
"""So many times as many parts are kept where they were too few: the second where bounds are
fine and no better schedule was found, as then there may be none."""

_SKETCH = 50
"""Parts that a sketch keeps before one block."""

_PARTS = (4, 1)
"""Sketches aim at such a part of the widest gap."""


@dataclass(slots=True)
class Search:
    """Seeks the best schedules from the upper bound down.

    All schedules worth the value aimed at or more survive the bounds, so the first aim that
    finds one finds all as good. An aim too high fails fast, since little survives, and
    proves a bound. One too low would let too much survive: of that only the most promising
    parts are kept, which often still make a schedule, better than the one in hand, but prove
    nothing. Then finer bounds, a smaller step or at last more width are taken. The widest
    gap, down to the schedule in hand, cannot fail, so the search ends.

    Attributes:
        problem: with allowed counts only (`Problem.allowed_only`).
        relaxation: of that problem.
        gap: the next aim is so far below the bound.
        width: parts that are kept at most before one block.
        every: all schedules worth the value aimed at, not only the best one.
        failed: no schedule is so little below the bound; -1 where that is not known.
        tokens: the best schedule in hand, of `value`.
        value: no schedule sought is worth less.
    """

    problem: Problem
    relaxation: Relaxation
    gap: int
    width: int
    every: bool
    failed: int = -1
    _crowded: int = -1
    _steps: Steps = field(init=False)
    tokens: tuple[int, ...] = ()
    value: int = 0

    def __post_init__(self) -> None:
        incumbent = self.relaxation.incumbent
        self.tokens = tuple(int(self.problem.counts[k]) for k in incumbent.columns)
        self.value = incumbent.value
        self._crowded, self._steps = self.widest + 1, steps_of(self.problem)
        self.gap = min(self.gap, self.widest)

    @property
    def widest(self) -> int:
        """From the bound down to the schedule in hand."""
        return self.relaxation.upper - self.value

    @property
    def bound(self) -> int:
        """No schedule is worth more, as far as proved."""
        return self.relaxation.upper - self.failed - 1

    def run(self, clock: Clock) -> Schedules:
        """The schedules of the first aim that finds one and leaves nothing out.

        Raises:
            OutOfTime: the clock stopped the search.
        """
        bounds, fine, sketched = self._bounds(), False, self.every
        while True:
            clock.look()
            found, whole = self._attempt(bounds, self.gap, self.width, clock)
            if whole and len(found):
                return found
            self._keep(found)
            if whole and (sketched or 8 * self.gap < self.widest):
                self._widen(fine)
            elif not (len(found) or sketched):
                self.failed, sketched = self.gap if whole else self.failed, True
                self._sketch(bounds, clock)
            else:
                better = self.widest < self.gap
                more = (_MORE if better else _MANY_MORE) if fine else 1 if better else _MORE
                self._narrow(more)
                if not fine and not better:
                    bounds, fine = self._bounds(fine=True), True

    def _sketch(self, bounds: Bounds, clock: Clock) -> None:
        """Look for a good schedule quickly; where there is one, aim at nothing worse."""
        for part in _PARTS:
            found, _ = self._attempt(bounds, self.widest // part, _SKETCH, clock)
            self._keep(found)
            if len(found):
                self.gap = self.widest
                return

    def _keep(self, found: Schedules) -> None:
        if len(found):
            self.value = int(found.value[-1])
            self.tokens = tuple(found.tokens[-1].tolist())

    def _attempt(
        self, bounds: Bounds, gap: int, width: int, clock: Clock
    ) -> tuple[Schedules, bool]:
        """Schedules of an aim, and whether there are no others."""
        aim = self.relaxation.upper - gap
        starts = starts_from(self.problem, self._steps, bounds, aim, width)
        ends = ends_from(self.problem, self._steps, bounds, aim, width)
        while starts.block < ends.block and len(starts.labels) and len(ends.labels):
            (starts if starts.expected <= ends.expected else ends).grow(clock)
        return meet(starts, ends, every=self.every), starts.whole and ends.whole

    def _bounds(self, *, fine: bool = False) -> Bounds:
        return bounds_for(self.problem, self.relaxation, fine=fine)

    def _narrow(self, more: int) -> None:
        """Take a smaller gap, or where there is hardly one left, more width."""
        self._crowded = self.gap
        if self.widest <= self._crowded:  # a schedule was found, here or before
            self.width *= more
            self.gap = self.widest
        elif self._crowded - self.failed > 1 + max(self.failed, 0) // 4:
            self.gap = self.failed + (self._crowded - self.failed) // 2
        else:
            self.width *= _MORE
            self._crowded = self.widest + 1

    def _widen(self, fine: bool) -> None:
        """Take a wider gap: twice as wide while that is cheap, less where it is crowded."""
        self.failed = self.gap
        if self._crowded <= self.failed:  # finer bounds did away with that crowd
            self._crowded = self.widest + 1
        step = 1 + self.failed // (3 if fine else 1)
        self.gap = self.failed + min(step, (self._crowded - self.failed + 1) // 2)
        self.gap = min(self.gap, self.widest)
