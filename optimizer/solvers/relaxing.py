"""How good can a schedule be? A bound on the optimum, and a schedule to start from.

For any price of a nanosecond the best priced schedule bounds the true optimum from above:
a schedule within the budget is worth at least its priced worth with the room it leaves paid
back (Lagrange). The price is moved, by the secant through the best schedules on both sides
of the budget, until neither side improves. All numbers are integers, so the bound is exact
and nothing is cut off by rounding.

Source: Handler and Zang 1980, doi:10.1002/net.3230100403 (the constrained shortest path).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Problem
from optimizer.solvers.pricing import Path, best_at

__all__ = ["Relaxation", "relax"]


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The best price found, and what the optimum lies between.

    Attributes:
        scale: what one unit of value counts.
        price: what one nanosecond costs, in the same unit.
        dearest: no price may be greater, or numbers could overflow.
        room_ns: the budget less what no cut changes.
        incumbent: a schedule within the budget.
        upper: no schedule within the budget is worth more.
    """

    scale: int
    price: int
    dearest: int
    room_ns: int
    incumbent: Path
    upper: int


def relax(problem: Problem) -> Relaxation | Path:
    """Find a good price, a schedule within the budget and a bound.

    Args:
        problem: with allowed counts only (`Problem.allowed_only`).

    Returns:
        The relaxation; or, where no schedule is within the budget, one that is fastest.
    """
    most = max(int(np.abs(problem.value).max(axis=1).sum()), 1)
    longest = max(int((problem.segment_ns + problem.cut_ns).max(axis=1).sum()), 1)
    # More room than the longest schedule needs changes nothing, and could overflow.
    room = min(problem.budget_ns - problem.fixed_ns, longest)
    scale, dearest = max((1 << 50) // most, 1), (1 << 59) // longest

    over, within = best_at(problem, scale, 0), best_at(problem, 0, 1)
    if within.latency_ns > room:
        return within
    if over.latency_ns <= room:
        return Relaxation(scale, 0, dearest, room, over, over.value)
    price, incumbent, upper = 0, within, over.value
    while over.value > within.value:
        slope = scale * (over.value - within.value) // (over.latency_ns - within.latency_ns)
        price = min(slope, dearest)
        found = best_at(problem, scale, price)
        worth = scale * found.value - price * found.latency_ns
        upper = min(upper, (worth + price * room) // scale)
        if worth <= max(scale * p.value - price * p.latency_ns for p in (over, within)):
            break
        if found.latency_ns <= room:
            within = found
            incumbent = max(incumbent, found, key=lambda path: path.value)
        else:
            over = found
    return Relaxation(scale, price, dearest, room, incumbent, upper)
