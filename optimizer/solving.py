"""The one entry to every solver."""

from __future__ import annotations

from typing import Protocol

from optimizer.errors import InfeasibleError, ProblemError
from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.pareto import pareto

__all__ = ["Solver", "solve"]


class Solver(Protocol):
    """What `solve` can call: any function in `optimizer.solvers`."""

    def __call__(self, problem: Problem, *, time_limit_s: float | None = None) -> Solution:
        """Solve the problem, within about so many seconds."""


def solve(
    problem: Problem,
    *,
    solver: Solver = pareto,
    time_limit_s: float | None = None,
    throw: bool = False,
) -> Solution:
    """Choose the token counts of greatest value within the latency budget.

    All quantities are integers, so the comparison with the budget is exact.

    Args:
        problem: what is maximised and what is allowed.
        solver: the algorithm, any function in `optimizer.solvers`.
        time_limit_s: stop after about so many seconds, with the best schedule found and a
            bound on the optimum; None never stops.
        throw: raise where no schedule meets the budget; by default that is an answer,
            told by `Solution.status`, whose tokens are then the fastest schedule.

    Returns:
        A solution that is OPTIMAL, or whose status says what it is.

    Raises:
        InfeasibleError: no schedule meets the budget, and `throw` is True.
        ProblemError: `time_limit_s` is not positive.
        SolverError: the solver ended without an answer that checks.

    >>> import numpy as np
    >>> problem = Problem(np.array([64, 128]), np.array([[64, 128]] * 2),
    ...     np.array([[10, 20]] * 2), np.array([[1, 0]] * 2), 5, 40)
    >>> solve(problem).tokens
    (128, 64)
    """
    if time_limit_s is not None and not time_limit_s > 0:
        raise ProblemError(
            f"time_limit_s is {time_limit_s}: must be above 0; leave it out to never stop"
        )
    solution = solver(problem, time_limit_s=time_limit_s)
    if throw and solution.status is Status.INFEASIBLE:
        raise InfeasibleError(
            f"no schedule meets the budget of {problem.budget_ns} ns; the fastest takes "
            f"{solution.latency_ns} ns with tokens {solution.tokens}"
        )
    return solution
