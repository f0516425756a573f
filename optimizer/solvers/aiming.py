"""Which value to aim at next, between a bound and a schedule in hand."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.problem import Problem
from optimizer.solvers.bounding import Bounds, bounds_for
from optimizer.solvers.clock import Clock
from optimizer.solvers.growing import Crowded, grow
from optimizer.solvers.labels import Labels
from optimizer.solvers.relaxing import Relaxation

__all__ = ["Search"]


@dataclass(slots=True)
class Search:
    """Seeks the best schedules from the upper bound down.

    All schedules worth the value aimed at or more survive the bounds, so the first aim that
    finds one finds all as good. An aim too high fails fast, since little survives, and
    proves a bound; one too low would let too much survive, so that search is broken off and
    finer bounds, a smaller step or at last more labels are taken. The widest gap, down to
    the schedule in hand, cannot fail, so the search ends.

    Attributes:
        problem: with allowed counts only (`Problem.allowed_only`).
        relaxation: of that problem.
        gap: the next aim is so far below the bound.
        most: labels that one attempt may grow.
        failed: no schedule is so little below the bound; -1 where that is not known.
    """

    problem: Problem
    relaxation: Relaxation
    gap: int
    most: int
    failed: int = -1
    _crowded: int = -1
    _fine: bool = False

    def __post_init__(self) -> None:
        self._crowded = self.widest + 1
        self.gap = min(self.gap, self.widest)

    @property
    def widest(self) -> int:
        """From the bound down to the schedule in hand."""
        return self.relaxation.upper - self.relaxation.incumbent.value

    @property
    def bound(self) -> int:
        """No schedule is worth more, as far as proved."""
        return self.relaxation.upper - self.failed - 1

    def run(self, clock: Clock) -> list[Labels]:
        """What `grow` gives at the first aim that finds a schedule.

        Raises:
            OutOfTime: the clock stopped the search.
        """
        bounds, begun, begun_gap = self._bounds(), list[Labels](), self.gap
        while True:
            clock.look()
            if self.gap != begun_gap:
                begun, begun_gap = [], self.gap
            try:
                aim = self.relaxation.upper - self.gap
                grown = grow(self.problem, bounds, aim, clock, most=self.most, begun=begun)
            except Crowded:
                if not self._fine:
                    self._fine, begun = True, []
                    bounds = self._bounds()
                    self._narrow(last=False)
                else:
                    self._narrow(last=True)
                continue
            if grown is not None:
                return grown
            self._widen()

    def _bounds(self) -> Bounds:
        return bounds_for(self.problem, self.relaxation, fine=self._fine)

    def _narrow(self, *, last: bool) -> None:
        """Take a smaller gap, or where there is hardly one left, more labels."""
        self._crowded = self.gap
        if self._crowded - self.failed > 1 + max(self.failed, 0) // 8:
            self.gap = self.failed + (self._crowded - self.failed) // 2
        elif last:
            self.most *= 2
            self._crowded = self.widest + 1

    def _widen(self) -> None:
        """Take a wider gap: twice as wide while that is cheap, less where it is crowded."""
        self.failed = self.gap
        if self._crowded <= self.failed:  # finer bounds did away with that crowd
            self._crowded = self.widest + 1
        step = 1 + self.failed // (8 if self._fine else 1)
        self.gap = self.failed + min(step, (self._crowded - self.failed + 1) // 2)
