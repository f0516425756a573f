"""The default solver: the best schedule within a budget, proved.

1. `relaxing` puts a price on the nanosecond: a bound on the optimum, and a schedule.
2. `bounding` tells, at many prices, which ends of schedules may still reach a value.
3. `growing` grows those ends, block by block from the last, the beaten ones left out.
4. Here the value aimed at comes down from the bound until a schedule reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.bounding import bounds_for
from optimizer.solvers.clock import Clock, OutOfTime
from optimizer.solvers.growing import Crowded, grow, tokens_of
from optimizer.solvers.pricing import Path
from optimizer.solvers.relaxing import Relaxation, relax

__all__ = ["pareto"]

_LABELS = 500
"""Labels that one search may grow before a smaller step is tried."""


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
    """Seek the best schedule from the upper bound down.

    All schedules worth the value aimed at or more survive the bounds, so the first aim that
    finds one finds the best. An aim too high fails fast, since little survives, and proves
    a bound; one too low would let too much survive, so that search is broken off and a
    finer step, finer bounds or at last more labels are taken.
    """
    floor, upper = relaxation.incumbent.value, relaxation.upper
    bounds, fine = bounds_for(problem, relaxation), False
    most = _LABELS + problem.value.size // 10
    failed, gap, crowded = -1, (upper - floor) // 32, upper - floor + 1
    try:
        while True:
            clock.look()
            try:
                grown = grow(problem, bounds, upper - gap, clock, most=most)
            except Crowded:
                if not fine:
                    bounds, fine = bounds_for(problem, relaxation, fine=True), True
                crowded = gap
                if crowded - failed > 1 + max(failed, 0) // 8:
                    gap = failed + (crowded - failed) // 2
                else:
                    most, crowded = 4 * most, upper - floor + 1
                continue
            if grown is not None:
                last = np.array([len(grown[0]) - 1])
                return _Found(tuple(tokens_of(problem, grown, last)[0].tolist()), None)
            failed = gap
            gap = min(gap + gap // (4 if fine else 1) + 1, failed + (crowded - failed + 1) // 2)
    except OutOfTime:
        tokens = tuple(int(problem.counts[k]) for k in relaxation.incumbent.columns)
        return _Found(tokens, upper - failed - 1)
