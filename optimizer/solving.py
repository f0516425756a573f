"""The one entry to every solver."""

from __future__ import annotations

from collections.abc import Callable

from optimizer.errors import InfeasibleError
from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.pareto import pareto

__all__ = ["Solver", "solve"]

Solver = Callable[[Problem], Solution]


def solve(problem: Problem, *, solver: Solver = pareto, throw: bool = False) -> Solution:
    """Choose the token counts of greatest value within the latency budget.

    All quantities are integers, so the comparison with the budget is exact.

    Args:
        problem: what is maximised and what is allowed.
        solver: the algorithm, any function in `optimizer.solvers`.
        throw: raise where no schedule meets the budget; by default that is an answer,
            told by `Solution.status`, whose tokens are then the fastest schedule.

    Returns:
        A solution that is OPTIMAL, or whose status says what it is.

    Raises:
        InfeasibleError: no schedule meets the budget, and `throw` is True.

    >>> import numpy as np
    >>> problem = Problem(np.array([64, 128]), np.array([[64, 128]] * 2),
    ...     np.array([[10, 20]] * 2), np.array([[1, 0]] * 2), 5, 40)
    >>> solve(problem).tokens
    (128, 64)
    """
    solution = solver(problem)
    if throw and solution.status is Status.INFEASIBLE:
        raise InfeasibleError(
            f"no schedule meets the budget of {problem.budget_ns} ns; the fastest takes "
            f"{solution.latency_ns} ns with tokens {solution.tokens}"
        )
    return solution
