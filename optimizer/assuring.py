"""The best of several endings whose latency is within the budget with a given probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.confidence import Confident, solve_confident
from optimizer.tail import Tail

if TYPE_CHECKING:
    from latmodel.table import LatencyTable
    from optimizer.posing import Posed
    from optimizer.solving import Solver

__all__ = ["dense_upper_ns", "solve_assured"]


def dense_upper_ns(posed: Posed, table: LatencyTable, confidence: float) -> int:
    """What the unpruned model stays below with that probability.

    Args:
        posed: of the ending in which every block decides.
        table: it was posed from.
        confidence: the probability.
    """
    problem = posed.problem
    return Tail.of(table.parts, confidence).upper_ns(problem, (problem.full,) * problem.depth)


def solve_assured(
    posed: tuple[Posed, ...],
    table: LatencyTable,
    *,
    confidence: float,
    solver: Solver,
    time_limit_s: float | None = None,
) -> tuple[Posed, Confident]:
    """As `optimizer.posing.solve_better`, with `optimizer.confidence.solve_confident`.

    The errors of a lossless ending's own MLP are taken to be those of the full count.

    Args:
        posed: one or more endings of one model.
        table: they were posed from.
        confidence: the probability to stay within the budget, from 0.5, below 1.
        solver: any function in `optimizer.solvers`.
        time_limit_s: seconds that each ending's solve may take.

    Raises:
        ProblemError: `confidence` is out of range.
        SolverError: see `solve_confident`.
    """
    answers = [
        (
            each,
            solve_confident(
                each.problem,
                table.parts,
                confidence,
                solver=solver,
                time_limit_s=time_limit_s,
            ),
        )
        for each in posed
    ]
    return max(answers, key=lambda answer: _rank(answer[1]))


def _rank(found: Confident) -> tuple[bool, int, int]:
    within = not found.solution.status.over_budget
    return within, found.solution.value if within else 0, -found.upper_ns
