"""How much can a schedule be worth within a budget under independent errors? A bound.

A schedule is a chain of runs: blocks in sequence that keep one count. Counts never rise, so
all that a schedule spends at a count is spent in one run, and the variance of its latency is
a sum over runs (two counts of one group have more, which a bound may leave out). So a limit
on ``T + V / m``, with ``T`` and ``V`` as in `optimizer.tail`, is a limit on a sum over runs,
and, priced into the objective, its optimum is a short dynamic program.

Within the budget B, ``V <= g(T) = T^2 (log(B / T)^2 / z^2 - s^2)``, and ``T + V / m`` is at
most ``T_max = B exp(-z s)``, where g is 0, if ``m`` is the slope of the straight line from
there to the least ``T`` that can matter: g bends upwards where ``log(B / T)`` is a third or
less, as its second derivative shows. Beyond that there is no bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from optimizer.problem import Int64, Problem
    from optimizer.tail import Tail

__all__ = ["RunBound", "bound_by_runs"]

_Floats = npt.NDArray[np.float64]

_MOST_BEND = 1 / 3
"""``log(B / T)`` up to which g bends upwards."""

_NEXT_TO_NOTHING = 1e-9
"""An independent error below which there is none worth a second bound."""

_STEPS = 40
"""Prices that are tried at most; some ten are needed."""

_ROUNDING = 1e-9
"""More than a priced sum is off by in double precision, as a fraction of its parts."""


@dataclass(frozen=True, slots=True)
class RunBound:
    """What no schedule is worth more than, and schedules met on the way.

    Attributes:
        bound: no schedule whose quantile is within the budget has a greater value.
        schedules: tokens of each block; they may break the budget, and constraints.
    """

    bound: int
    schedules: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class _Chain:
    """A schedule by its runs: its value, its cost, and the column of each block."""

    value: int
    cost: float
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Every run there can be; shapes (depth, depth, C), by first block, last block, column.

    Those of the full count before the first cut stand in `first_value`, `first_cost` and
    `first_allowed`, shapes (depth + 1,), by how many blocks they have.
    """

    value: Int64
    cost: _Floats
    allowed: npt.NDArray[np.bool_]
    first_value: Int64
    first_cost: _Floats
    first_allowed: npt.NDArray[np.bool_]


def bound_by_runs(problem: Problem, tail: Tail) -> RunBound | None:
    """Bound the value of every schedule whose quantile is within the budget.

    The number of cuts, and how much one of them drops, are left out.

    Args:
        problem: the true latencies, its budget that of the quantile.
        tail: of the same counts.

    Returns:
        None where errors are so large that the bound does not hold, where nothing is
        independent, or where the constraints alone decide.
    """
    most = problem.budget_ns * math.exp(-tail.sigmas * tail.shared)
    own = float(tail.own.max())
    widest = tail.sigmas * math.hypot(tail.shared, own)
    if own < _NEXT_TO_NOTHING or not tail.sigmas * problem.budget_ns or widest > _MOST_BEND:
        return None
    # The difference of both ends, without the digits that taking it would cost.
    ahead = tail.sigmas * own**2 / (math.hypot(tail.shared, own) + tail.shared)
    least, apart = most * math.exp(-ahead), -most * math.expm1(-ahead)
    runs = _runs(problem, tail, (1 + _ROUNDING) * (least * own) ** 2 / apart)
    over, within = _best(runs, 1.0, 0.0), _best(runs, 0.0, 1.0)
    if over.cost <= most or within.cost > most:
        return None
    met, bound = [over, within], float(over.value)
    for _ in range(_STEPS):
        if over.value <= within.value:
            break
        price = (over.value - within.value) / (over.cost - within.cost)
        found = _best(runs, 1.0, price)
        met.append(found)
        margin = _ROUNDING * (abs(found.value) + price * (most + found.cost) + 1.0)
        bound = min(bound, found.value + price * (most - found.cost) + margin)
        gain = (found.value - within.value) - price * (found.cost - within.cost)
        if gain <= margin:
            break
        over, within = (over, found) if found.cost <= most else (found, within)
    schedules = dict.fromkeys(tuple(problem.counts[list(c.columns)].tolist()) for c in met)
    return RunBound(math.floor(bound), tuple(schedules))


def _runs(problem: Problem, tail: Tail, slope: float) -> _Runs:
    depth, width = problem.value.shape
    spent = _sums(problem.segment_ns * tail.weights)
    worth, closed = _sums(problem.value), _sums(~problem.may_leave)
    first, last = np.arange(depth)[:, None], np.arange(1, depth + 1)[None, :]
    forward = (last > first)[:, :, None] & problem.may_drop[:, None, None]
    taken = spent[last] - spent[first] + (problem.cut_ns * tail.weights)[:, None, :]
    whole = spent[:, -1] + problem.fixed_ns * tail.weights[-1]
    return _Runs(
        value=(worth[last] - worth[first]).astype(np.int64),
        cost=taken + (taken * tail.own) ** 2 / slope,
        # A cut leaves fewer tokens than there were: never the full count.
        allowed=forward & (closed[last] == closed[first]) & (np.arange(width) < width - 1),
        first_value=worth[:, -1].astype(np.int64),
        first_cost=whole + (whole * tail.own[-1]) ** 2 / slope,
        first_allowed=closed[:, -1] == 0,
    )


def _sums(rows: npt.NDArray[np.float64] | Int64 | npt.NDArray[np.bool_]) -> _Floats | Int64:
    """Shape (depth + 1, C): the sums over all blocks before each."""
    sums = np.cumsum(rows, axis=0)
    padded: _Floats | Int64 = np.concatenate([np.zeros_like(sums[:1]), sums])
    return padded


def _best(runs: _Runs, worth: float, price: float) -> _Chain:
    """The chain for which `worth` times its value less `price` times its cost is greatest."""
    depth, _, width = runs.value.shape
    gains = np.where(runs.allowed, worth * runs.value - price * runs.cost, -np.inf)
    # What a chain is worth that goes on at each block, by the column that it must be below.
    onward = np.full((depth + 1, width), -np.inf)
    column = np.zeros((depth + 1, width), dtype=np.int64)
    end = np.zeros((depth, width), dtype=np.int64)
    onward[depth] = 0.0
    for start in range(depth - 1, -1, -1):
        ways = gains[start, start:] + onward[start + 1 :]
        end[start] = ways.argmax(axis=0) + start + 1
        best = ways.max(axis=0)
        onward[start, 1:] = np.maximum.accumulate(best)[:-1]
        column[start, 1:] = _leaders(best)[:-1]
    whole = np.where(
        runs.first_allowed, worth * runs.first_value - price * runs.first_cost, -np.inf
    )
    return _read(runs, end, column, int((whole + onward[:, -1]).argmax()))


def _leaders(best: _Floats) -> Int64:
    """Where the greatest of all up to each place stands; shape as given."""
    places = np.arange(len(best))
    leads = best >= np.maximum.accumulate(best)
    return np.maximum.accumulate(np.where(leads, places, 0)).astype(np.int64)


def _read(runs: _Runs, end: Int64, column: Int64, start: int) -> _Chain:
    depth, _, width = runs.value.shape
    value, cost = int(runs.first_value[start]), float(runs.first_cost[start])
    columns, below = [width - 1] * start, width - 1
    while start < depth:
        k = int(column[start, below])
        stop = int(end[start, k])
        value += int(runs.value[start, stop - 1, k])
        cost += float(runs.cost[start, stop - 1, k])
        columns += [k] * (stop - start)
        start, below = stop, k
    return _Chain(value, cost, tuple(columns))
