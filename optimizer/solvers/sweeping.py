"""Every budget from the loosest down, a stretch of the frontier at a time.

With the budget at a point of the frontier and a value somewhat below its bound as the aim,
`growing` keeps every schedule that is worth the aim or more: a stretch of the frontier, all
points of it and no other. The next stretch begins just below the fastest of them. So memory
holds one stretch, whatever the size of the problem, and any window of latencies can be had.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.problem import Int64, Problem
from optimizer.solvers.bounding import bounds_for
from optimizer.solvers.clock import Clock
from optimizer.solvers.growing import Crowded, grow, tokens_of
from optimizer.solvers.labels import Labels
from optimizer.solvers.points import Points
from optimizer.solvers.pricing import Path
from optimizer.solvers.relaxing import Relaxation, relax

__all__ = ["swept"]

_LABELS = 20_000
"""Labels that one stretch may grow, beside a tenth of the problem's size."""


def swept(problem: Problem, low_ns: int) -> Iterator[Points]:
    """The frontier from the problem's budget down to a latency, a stretch at a time.

    Args:
        problem: with allowed counts only (`Problem.allowed_only`).
        low_ns: points of less latency are left out.

    Yields:
        Stretches by falling latency; within each, points by rising latency.
    """
    reach = 1  # how far below the bound the last stretch aimed
    while True:
        relaxation = relax(problem)
        if isinstance(relaxation, Path):
            return
        grown, reach = _stretch(problem, relaxation, reach)
        latency = grown[0].latency_ns + problem.fixed_ns
        places = np.flatnonzero(latency >= low_ns)
        if len(places):
            yield _points(problem, grown, places)
        budget = int(latency[0]) - 1
        if budget < max(low_ns, problem.fixed_ns):
            return
        problem = problem.with_budget(budget)


def _stretch(problem: Problem, relaxation: Relaxation, reach: int) -> tuple[list[Labels], int]:
    """The schedules that are worth most, as many as can be had without a crowd."""
    floor, upper = relaxation.incumbent.value, relaxation.upper
    bounds, most = bounds_for(problem, relaxation), _LABELS + problem.value.size // 10
    failed, crowded = -1, upper - floor + 1
    gap = min(2 * reach, upper - floor)
    while True:
        try:
            grown = grow(problem, bounds, upper - gap, Clock(None), most=most)
        except Crowded:
            if gap - failed <= 1:
                most *= 4
            crowded, gap = gap, failed + max((gap - failed) // 2, 1)
            continue
        if grown is not None:
            return grown, gap
        failed = gap
        gap = min(2 * gap + 1, failed + max((crowded - failed) // 2, 1))


def _points(problem: Problem, grown: list[Labels], places: Int64) -> Points:
    first = grown[0]
    return Points(
        first.latency_ns[places] + problem.fixed_ns,
        first.value[places],
        tokens_of(problem, grown, places),
    )
