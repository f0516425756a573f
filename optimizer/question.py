"""One question to the solver, and its answer under any change of the constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.assuring import solve_assured, stays_whole
from optimizer.posing import Posed, pose_endings, solve_better

if TYPE_CHECKING:
    from latmodel.table import Int64, LatencyTable
    from latmodel.workload import Workload
    from optimizer.assurance import Assurance
    from optimizer.schedule import Schedule
    from optimizer.solution import Solution
    from optimizer.solving import Solver

__all__ = ["Answer", "Question"]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A solution, and what it solves.

    Attributes:
        posed: every ending that was allowed.
        ending: the one that was chosen.
        solution: of its problem.
        assurance: with what probability it keeps the budget, where a confidence was asked for.
    """

    posed: tuple[Posed, ...]
    ending: Posed
    solution: Solution
    assurance: Assurance | None

    @property
    def schedule(self) -> Schedule:
        """The counts of every block."""
        return self.ending.schedule_of(self.solution)

    @property
    def earliest_cut(self) -> int:
        """The first block that may drop tokens."""
        return self.ending.problem.earliest_cut

    @property
    def narrowest(self) -> int:
        """Tokens that the last block keeps; no block keeps fewer."""
        return self.schedule.worth[-1]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Question:
    """What to maximise, under what constraints, and how surely.

    Attributes:
        table: what every block costs at every count.
        workload: what is cut.
        budget_ns: the whole model's latency at most.
        value: as in `optimizer.posing.pose`.
        lossless_last: as in `optimizer.optimize`, as are the following.
        confidence: likewise.
        solver: likewise.
        time_limit_s: likewise.
        constraints: of `optimizer.posing.pose`, by their names.
    """

    table: LatencyTable
    workload: Workload
    budget_ns: int
    value: Int64 | None
    lossless_last: bool | None
    confidence: float | None
    solver: Solver
    time_limit_s: float | None
    constraints: dict[str, Any]

    def answer(self, **changes: Any) -> Answer:
        """Solve it.

        Args:
            changes: constraints that take the place of its own, by their names.

        Raises:
            ProblemError: a constraint is out of range.
        """
        posed = self.posed(**changes)
        asked = posed
        if self._untouched(posed):
            # Tokens are counted there: what is worth nothing must not be cut either.
            asked = self._posed(None, changes)[-1:]
        if self.confidence is None:
            ending, solution = solve_better(
                asked, solver=self.solver, time_limit_s=self.time_limit_s
            )
            return Answer(posed, ending, solution, None)
        ending, solution, assurance = solve_assured(
            asked,
            self.table,
            self.confidence,
            solver=self.solver,
            time_limit_s=self.time_limit_s,
        )
        return Answer(posed, ending, solution, assurance)

    def posed(self, **changes: Any) -> tuple[Posed, ...]:
        """Every ending that is allowed; see `answer`."""
        return self._posed(self.value, changes)

    def _posed(self, value: Int64 | None, changes: dict[str, Any]) -> tuple[Posed, ...]:
        return pose_endings(
            self.table,
            self.workload,
            budget_ns=self.budget_ns,
            lossless_last=self.lossless_last,
            value=value,
            **(self.constraints | changes),
        )

    def _untouched(self, posed: tuple[Posed, ...]) -> bool:
        """A model that meets the budget as it is stays as it is, to the last bit."""
        if self.lossless_last is not None:
            return False
        if self.confidence is not None:
            return stays_whole(posed[-1], self.table, self.confidence)
        return self.table.dense_ns <= self.budget_ns
