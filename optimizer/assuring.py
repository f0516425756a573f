"""The best of several endings of one model that keeps a budget with a given probability."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.assurance import Assurance
from optimizer.confidence import Confident, fastest_ns, solve_confident
from optimizer.errors import UndecidedError
from optimizer.solution import Solution, Status
from optimizer.tail import Tail

if TYPE_CHECKING:
    from latmodel.table import LatencyTable
    from optimizer.posing import Posed
    from optimizer.solving import Solver

__all__ = ["solve_assured", "stays_whole"]


def stays_whole(posed: Posed, table: LatencyTable, confidence: float) -> bool:
    """Whether the unpruned model keeps the budget with that probability.

    Args:
        posed: every block decides.
        table: what its problem was posed from.
        confidence: from 0.5, below 1.

    Raises:
        ProblemError: `confidence` is out of range.
    """
    problem = posed.problem
    whole = (problem.full,) * problem.depth
    return Tail.of(table.parts, confidence).upper_ns(problem, whole) <= problem.budget_ns


def solve_assured(
    posed: tuple[Posed, ...],
    table: LatencyTable,
    confidence: float,
    *,
    solver: Solver,
    time_limit_s: float | None = None,
) -> tuple[Posed, Solution, Assurance]:
    """As `optimizer.posing.solve_better`, but the budget is kept with a probability.

    Args:
        posed: one or more endings of the same model.
        table: what they were posed from, for its errors.
        confidence: from 0.5, below 1.
        solver: any exact function in `optimizer.solvers`.
        time_limit_s: seconds that each ending's solve may take.

    Raises:
        ProblemError: `confidence` is out of range.
        UndecidedError: no ending has a schedule that keeps the budget, and of one it is not
            proved.
    """
    answers: list[tuple[Posed, Confident]] = []
    undecided: list[UndecidedError] = []
    for each in posed:
        try:
            found = solve_confident(
                each.problem, table.parts, confidence, solver=solver, time_limit_s=time_limit_s
            )
        except UndecidedError as error:
            undecided.append(error)
        else:
            answers.append((each, found))
    within = [found for _, found in answers if not found.solution.status.over_budget]
    if undecided and not within:
        raise undecided[0]
    chosen, best = max(answers, key=lambda answer: _rank(answer[1]))
    solution = _with_bound(
        best.solution, [*(f.solution.bound for f in within), *(e.bound for e in undecided)]
    )
    plains = [f.plain.value for _, f in answers if not f.plain.status.over_budget]
    lost = (max(plains) - solution.value) / max(*plains, 1) if within else 0.0
    tightest = min(fastest_ns(each.problem, table.parts, confidence) for each in posed)
    return (
        chosen,
        solution,
        Assurance(
            confidence=confidence,
            upper_ns=best.upper_ns,
            tightest_ns=min(tightest, best.upper_ns),
            lost=lost,
        ),
    )


def _rank(found: Confident) -> tuple[bool, int, int]:
    within = not found.solution.status.over_budget
    return within, found.solution.value if within else 0, -found.upper_ns


def _with_bound(solution: Solution, bounds: list[int]) -> Solution:
    """What is proved is proved of all endings."""
    if solution.status.over_budget or max(bounds) <= solution.value:
        return solution
    status = Status.BOUNDED if solution.status is Status.OPTIMAL else solution.status
    return replace(solution, status=status, bound=max(bounds))
