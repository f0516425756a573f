"""The oracle: try every schedule. For tests and for problems small enough for paper."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.problem import Problem
from optimizer.solution import Solution, Status

__all__ = ["exhaustive"]


def exhaustive(problem: Problem) -> Solution:
    """Look at every schedule that the constraints allow and take the best.

    Its time grows as the number of schedules, about ``C ** depth / depth!``.
    """
    seen = [
        (problem.value_of(tokens), -problem.latency_ns(tokens), tokens)
        for tokens in _schedules(problem, problem.full, 0, 0)
    ]
    feasible = [schedule for schedule in seen if -schedule[1] <= problem.budget_ns]
    if feasible:
        value, negative_ns, tokens = max(feasible)
        return Solution(Status.OPTIMAL, tokens, value, -negative_ns, value)
    value, negative_ns, tokens = max(seen, key=lambda s: (s[1], s[0], s[2]))
    return Solution(Status.INFEASIBLE, tokens, value, -negative_ns, value)


def _schedules(
    problem: Problem, before: int, block: int, cuts: int
) -> Iterator[tuple[int, ...]]:
    """Every way to go on from `block`, which `before` tokens reach after `cuts` cuts."""
    if block == problem.depth:
        yield ()
        return
    counts = problem.counts[problem.allowed]
    for count in (int(c) for c in counts if c <= before):
        drops = count < before
        if drops and (block < problem.earliest_cut or cuts >= problem.cut_limit):
            continue
        for rest in _schedules(problem, count, block + 1, cuts + drops):
            yield (count, *rest)
