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
    feasible: tuple[int, int, tuple[int, ...]] | None = None
    fastest: tuple[int, int, tuple[int, ...]] | None = None
    for tokens in _schedules(problem, problem.full, 0, 0):
        value, latency = problem.value_of(tokens), problem.latency_ns(tokens)
        if fastest is None or (-latency, value, tokens) > fastest:
            fastest = (-latency, value, tokens)
        within = latency <= problem.budget_ns
        if within and (feasible is None or (value, -latency, tokens) > feasible):
            feasible = (value, -latency, tokens)
    if feasible is not None:
        value, latency, tokens = feasible
        return Solution(Status.OPTIMAL, tokens, value, -latency, value)
    assert fastest is not None  # keeping every token is always allowed
    latency, value, tokens = fastest
    return Solution(Status.INFEASIBLE, tokens, value, -latency, value)


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
