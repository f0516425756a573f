"""The default solver: the best schedule within a budget, proved.

1. `relaxing` puts a price on the nanosecond: a bound on the optimum, and a schedule.
2. `bounding` tells, at many prices, which parts of schedules may still reach a value.
3. `growing` grows those parts, block by block from both ends, the beaten ones left out.
4. In `meeting` starts and ends become whole schedules.
5. In `aiming` the value sought comes down from the bound until a schedule reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.aiming import Search
from optimizer.solvers.clock import Clock, OutOfTime
from optimizer.solvers.pricing import Path, layers_of
from optimizer.solvers.relaxing import Relaxation, relax

__all__ = ["pareto"]

_WIDTH = 600
"""Parts of schedules that are kept before one block at first, and more for large problems."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A schedule, and the bound proved where it is not proved best."""

    tokens: tuple[int, ...]
    bound: int | None


def pareto(problem: Problem, *, time_limit_s: float | None = None) -> Solution:
    """The schedule of greatest value within the budget, proved; ties as `Solution` says.

    Args:
        problem: what is maximised and what is allowed.
        time_limit_s: stop after about so many seconds; None never stops. A search that is
            stopped gives the best schedule found and the bound proved so far.
    """
    return _pareto(problem, Clock.of(time_limit_s))


def _pareto(problem: Problem, clock: Clock) -> Solution:
    columns = problem.allowed_only()
    if columns.cut_limit > 1 and layers_of(columns)[0] > 1:
        # The best of all schedules, if it has so few cuts, is the best of those with few; and
        # without the limit there is one layer in place of many.
        free = _pareto(replace(columns, max_cuts=None), clock)
        cuts = sum(a != b for a, b in pairwise((problem.full, *free.tokens)))
        if free.status is not Status.TIME_LIMIT and cuts <= columns.cut_limit:
            return free
    relaxation = relax(columns)
    if isinstance(relaxation, Path):
        fastest = columns.with_budget(problem.fixed_ns + relaxation.latency_ns)
        # A search that is stopped still names a schedule of this latency.
        tokens = _pareto(fastest, clock).tokens
        value, latency = problem.value_of(tokens), problem.latency_ns(tokens)
        return Solution(Status.INFEASIBLE, tokens, value, latency, value)
    found = _search(columns, relaxation, clock)
    value, latency = problem.value_of(found.tokens), problem.latency_ns(found.tokens)
    if found.bound is None:
        return Solution(Status.OPTIMAL, found.tokens, value, latency, value)
    return Solution(Status.TIME_LIMIT, found.tokens, value, latency, found.bound)


def _search(problem: Problem, relaxation: Relaxation, clock: Clock) -> _Found:
    """The best schedule, or what was in hand when the clock stopped the search."""
    width = _WIDTH + problem.value.size // 50
    search = Search(problem, relaxation, gap=0, width=width, every=False)
    search.gap = search.widest // 32
    try:
        found = search.run(clock)
    except OutOfTime:
        return _Found(search.tokens, search.bound)
    return _Found(tuple(found.tokens[-1].tolist()), None)
