"""Every budget from the loosest down, a stretch of the frontier at a time.

With the budget at a point of the frontier and a value somewhat below its bound as the aim,
`growing` keeps every schedule that is worth the aim or more: a stretch of the frontier, all
points of it and no other. The next stretch begins just below the fastest of them. So memory
holds one stretch, whatever the size of the problem, and any window of latencies can be had.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.problem import Problem
from optimizer.solvers.aiming import Search
from optimizer.solvers.clock import Clock
from optimizer.solvers.points import Points
from optimizer.solvers.pricing import Path
from optimizer.solvers.relaxing import relax

__all__ = ["swept"]

_WIDTH = 2_000
"""Parts of schedules before one block that one stretch keeps at first."""


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
        width = _WIDTH + problem.value.size // 100
        search = Search(problem, relaxation, gap=2 * reach, width=width, every=True)
        found, reach = search.run(Clock(None)), max(search.gap, 1)
        latency = found.latency_ns + problem.fixed_ns
        places = np.flatnonzero(latency >= low_ns)
        if len(places):
            yield Points(latency[places], found.value[places], found.tokens[places])
        budget = int(latency[0]) - 1
        if budget < max(low_ns, problem.fixed_ns):
            return
        problem = problem.with_budget(budget)
