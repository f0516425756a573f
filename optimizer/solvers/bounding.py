"""How good can a schedule still become? Bounds from a Lagrangian relaxation, in integers.

The budget is priced into the objective: maximise ``scale * value - price * latency``. Without
a budget that is a short dynamic program, and for any price its optimum bounds the true
one from above. The price is moved, by the secant through the best schedules on both sides
of the budget, until neither side improves. All numbers are integers, so the bounds are
exact and nothing is cut off by rounding.

Source: Handler and Zang 1980, doi:10.1002/net.3230100403 (the constrained shortest path).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.problem import Int64, Problem

__all__ = ["Bounds", "Relaxation", "bounds_for", "no_bounds", "relax"]

_Bools = npt.NDArray[np.bool_]

_NEVER = -(1 << 62)
"""Below every objective: a state that no schedule reaches."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Which moves, and which ends of schedules, may still lead to the value aimed at.

    A layer is a number of cuts that are still allowed; where their number has no limit
    there is one layer, and a cut stays in it.

    Attributes:
        scale: what one unit of value counts.
        price: what one nanosecond costs, in the same unit.
        room_ns: the budget less what no cut changes.
        target: what a schedule must come to, in the priced objective, to be worth the
            value that is aimed at.
        keeping: shape (depth, layers, C): the best priced start before block ``i`` that
            left column ``p``.
        cutting: the same, over the starts that a cut of block ``i`` to column ``k`` may
            follow: any larger column, one more cut allowed.
        may_keep: the moves of `keeping` that may still lead there.
        may_cut: the moves of `cutting` that may.
    """

    scale: int
    price: int
    room_ns: int
    target: int
    keeping: Int64
    cutting: Int64
    may_keep: _Bools
    may_cut: _Bools

    def hopeful(self, value: Int64, latency_ns: Int64, start: int) -> _Bools:
        """Which ends of schedules may still lead to the value aimed at.

        Args:
            value: shape (L,), of each end.
            latency_ns: shape (L,), of each end.
            start: the best priced start that reaches them.

        Returns:
            Shape (L,).
        """
        priced = self.scale * value - self.price * latency_ns
        return (priced >= self.target - start) & (latency_ns <= self.room_ns)


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The best price found, and what the optimum lies between.

    Attributes:
        scale: what one unit of value counts.
        price: what one nanosecond costs, in the same unit.
        room_ns: the budget less what no cut changes.
        incumbent: the value of a schedule within the budget.
        upper: no schedule within the budget is worth more.
    """

    scale: int
    price: int
    room_ns: int
    incumbent: int
    upper: int


def relax(problem: Problem) -> Relaxation | int:
    """Find a good price, a good schedule and a bound.

    Args:
        problem: with allowed counts only (`Problem.allowed_only`).

    Returns:
        The relaxation; or, where no schedule is within the budget, the latency of the
        fastest, without `fixed_ns`.
    """
    room = problem.budget_ns - problem.fixed_ns
    most = max(int(np.abs(problem.value).max(axis=1).sum()), 1)
    longest = max(int((problem.segment_ns + problem.cut_ns).max(axis=1).sum()), 1)
    scale, dearest = max((1 << 50) // most, 1), (1 << 60) // longest

    over, within = _best(problem, scale, 0), _best(problem, 0, 1)
    if within[1] > room:
        return within[1]
    if over[1] <= room:
        return Relaxation(scale, 0, room, over[0], over[0])
    price, incumbent, upper = 0, within[0], over[0]
    while over[0] > within[0]:
        price = min(scale * (over[0] - within[0]) // (over[1] - within[1]), dearest)
        found = _best(problem, scale, price)
        upper = min(upper, (_priced(found, scale, price) + price * room) // scale)
        ends = (_priced(over, scale, price), _priced(within, scale, price))
        if _priced(found, scale, price) <= max(ends):
            break
        if found[1] <= room:
            within, incumbent = found, max(incumbent, found[0])
        else:
            over = found
    return Relaxation(scale, price, room, incumbent, upper)


def _priced(found: tuple[int, int], scale: int, price: int) -> int:
    return scale * found[0] - price * found[1]


def bounds_for(problem: Problem, relaxation: Relaxation, value: int) -> Bounds:
    """What may lead to a schedule worth `value` or more within the budget."""
    scale, price = relaxation.scale, relaxation.price
    keeping, cutting = _starts(problem, scale, price)
    ends = _ends(problem, scale, price)
    stay, cut = _gains(problem, scale, price)
    target = scale * value - price * relaxation.room_ns
    return Bounds(
        scale=scale,
        price=price,
        room_ns=relaxation.room_ns,
        target=target,
        keeping=keeping[:-1],
        cutting=cutting,
        may_keep=keeping[:-1] + stay[:, None] + ends[1:] >= target,
        may_cut=cutting + cut[:, None] + ends[1:] >= target,
    )


def no_bounds(problem: Problem) -> Bounds:
    """Bounds that leave nothing out: for all budgets at once."""
    shape = (problem.depth, _layers(problem)[0], len(problem.counts))
    everything = np.ones(shape, dtype=bool)
    return Bounds(
        scale=0,
        price=0,
        room_ns=-_NEVER,
        target=_NEVER,
        keeping=np.zeros(shape, dtype=np.int64),
        cutting=np.zeros(shape, dtype=np.int64),
        may_keep=everything,
        may_cut=everything,
    )


def _gains(problem: Problem, scale: int, price: int) -> tuple[Int64, Int64]:
    """The priced worth of keeping a count through a block, and of cutting to it."""
    stay = scale * problem.value - price * problem.segment_ns
    return stay, stay - price * problem.cut_ns


def _layers(problem: Problem) -> tuple[int, int]:
    """How many layers there are, and how many a cut goes down."""
    return (1, 0) if problem.max_cuts is None else (problem.cut_limit + 1, 1)


def _starts(problem: Problem, scale: int, price: int) -> tuple[Int64, Int64]:
    """The best priced start of every state; shapes (depth + 1 and depth, layers, C)."""
    width, (layers, step) = len(problem.counts), _layers(problem)
    stay, cut = _gains(problem, scale, price)
    keeping = np.full((problem.depth + 1, layers, width), _NEVER, dtype=np.int64)
    cutting = np.full((problem.depth, layers, width), _NEVER, dtype=np.int64)
    keeping[0, -1, -1] = 0
    for i in range(problem.depth):
        if i >= problem.earliest_cut:
            best = np.maximum.accumulate(keeping[i, :, ::-1], axis=1)[:, ::-1]
            cutting[i, : layers - step, :-1] = best[step:, 1:]
        keeping[i + 1] = np.maximum(keeping[i] + stay[i], cutting[i] + cut[i])
    return keeping, cutting


def _ends(problem: Problem, scale: int, price: int) -> Int64:
    """The best priced end from every state; shape (depth + 1, layers, C)."""
    width, (layers, step) = len(problem.counts), _layers(problem)
    stay, cut = _gains(problem, scale, price)
    ends = np.zeros((problem.depth + 1, layers, width), dtype=np.int64)
    for i in reversed(range(problem.depth)):
        ends[i] = ends[i + 1] + stay[i]
        if i >= problem.earliest_cut:
            best = np.maximum.accumulate(ends[i + 1] + cut[i], axis=1)
            into = ends[i, step:, 1:]
            np.maximum(into, best[: layers - step, :-1], out=into)
    return ends


def _best(problem: Problem, scale: int, price: int) -> tuple[int, int]:
    """Value, and latency without `fixed_ns`, of a schedule that is best at a price."""
    keeping, _ = _starts(problem, scale, price)
    stay, _ = _gains(problem, scale, price)
    step = _layers(problem)[1]
    layer, k = np.unravel_index(int(keeping[-1].argmax()), keeping[-1].shape)
    value = latency = 0
    for i in reversed(range(problem.depth)):
        value += int(problem.value[i, k])
        latency += int(problem.segment_ns[i, k])
        if keeping[i + 1, layer, k] == keeping[i, layer, k] + stay[i, k]:
            continue
        latency += int(problem.cut_ns[i, k])
        layer += step
        k = k + 1 + int(keeping[i, layer, k + 1 :].argmax())
    return value, latency
