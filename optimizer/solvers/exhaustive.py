"""The oracle: try every schedule. For tests and for problems small enough for paper."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.errors import SolverError
from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.clock import Clock, OutOfTime

__all__ = ["every_schedule", "exhaustive"]


def exhaustive(problem: Problem, *, time_limit_s: float | None = None) -> Solution:
    """Look at every schedule that the constraints allow and take the best.

    Its time grows as the number of schedules, about ``C ** depth / depth!``.

    Raises:
        SolverError: the time limit was over before a schedule within the budget was seen.
    """
    clock, seen, done = Clock.of(time_limit_s), [], True
    try:
        for tokens in every_schedule(problem):
            seen.append((problem.value_of(tokens), -problem.latency_ns(tokens), tokens))
            clock.look()
    except OutOfTime:
        done = False
    feasible = [schedule for schedule in seen if -schedule[1] <= problem.budget_ns]
    if feasible:
        value, negative_ns, tokens = max(feasible)
        if done:
            return Solution(Status.OPTIMAL, tokens, value, -negative_ns, value)
        bound = int(problem.value.max(axis=1).sum())
        return Solution(Status.TIME_LIMIT, tokens, value, -negative_ns, bound)
    if not done:
        raise SolverError(
            f"no schedule within the budget was seen in {time_limit_s} s: give more time"
        )
    value, negative_ns, tokens = max(seen, key=lambda s: (s[1], s[0], s[2]))
    return Solution(Status.INFEASIBLE, tokens, value, -negative_ns, value)


def every_schedule(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Every schedule that the constraints allow, the budget left aside."""
    return _schedules(problem, problem.full, 0, 0)


def _schedules(
    problem: Problem, before: int, block: int, cuts: int
) -> Iterator[tuple[int, ...]]:
    """Every way to go on from `block`, which `before` tokens reach after `cuts` cuts."""
    if block == problem.depth:
        yield ()
        return
    for count in (int(c) for c in problem.counts[problem.may_leave[block]] if c <= before):
        drop = before - count
        if drop and not (problem.may_drop[block] and cuts < problem.cut_limit):
            continue
        if problem.largest_drop is not None and drop > problem.largest_drop:
            continue
        for rest in _schedules(problem, count, block + 1, cuts + (drop > 0)):
            yield (count, *rest)
