"""The budget priced into the objective: the best start and end of a schedule at any price.

At ``scale`` per unit of value and ``price`` per nanosecond a schedule is worth ``scale *
value - price * latency``. Without a budget the best is a short dynamic program over states:
a state before block ``i`` is a layer, how many cuts are still allowed, and the column of the
count that reaches the block. Where the number of cuts has no limit that binds there is one
layer, and a cut stays in it.

Numbers: ``scale * value`` and ``price * latency`` stay below 2**60 (`relaxing` sees to it), so
a start or end that exists is above -2**61, one that does not below, and nothing overflows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Int64, Problem

__all__ = ["Path", "best_above", "best_at", "best_below", "ends_at", "layers_of", "starts_at"]

_NEVER = -(1 << 62)
"""Below every objective: a state that no schedule reaches."""


def layers_of(problem: Problem) -> tuple[int, int]:
    """How many layers there are, and how many a cut goes down."""
    limited = problem.cut_limit < int(problem.may_drop.sum())
    return (problem.cut_limit + 1, 1) if limited else (1, 0)


def starts_at(problem: Problem, scale: Int64, price: Int64) -> Int64:
    """The best priced start that reaches every state, at several prices at once.

    Args:
        problem: with allowed counts only (`Problem.allowed_only`).
        scale: shape (J,), what one unit of value counts.
        price: shape (J,), what one nanosecond costs.

    Returns:
        Shape (depth + 1, J, layers, C): entry ``i`` is for the states before block ``i``.
    """
    width, (layers, step) = len(problem.counts), layers_of(problem)
    highest, may_drop, may_leave = problem.highest_before, problem.may_drop, problem.may_leave
    starts = np.full((problem.depth + 1, len(scale), layers, width), _NEVER, dtype=np.int64)
    starts[0, :, -1, -1] = 0
    for i in range(problem.depth):
        stay = scale[:, None] * problem.value[i] - price[:, None] * problem.segment_ns[i]
        into = starts[i + 1]
        np.add(starts[i], stay[:, None], out=into)
        if may_drop[i]:
            cut = (stay - price[:, None] * problem.cut_ns[i])[:, None]
            below = into[:, : layers - step]
            np.maximum(below, best_above(starts[i, :, step:], highest) + cut, out=below)
        if not may_leave[i].all():
            into[..., ~may_leave[i]] = _NEVER
    return starts


def ends_at(problem: Problem, scale: Int64, price: Int64) -> Int64:
    """The best priced end that every state reaches; arguments and shape as `starts_at`."""
    width, (layers, step) = len(problem.counts), layers_of(problem)
    highest, may_drop, may_leave = problem.highest_before, problem.may_drop, problem.may_leave
    ends = np.full((problem.depth + 1, len(scale), layers, width), _NEVER, dtype=np.int64)
    ends[-1] = 0
    for i in reversed(range(problem.depth)):
        stay = scale[:, None] * problem.value[i] - price[:, None] * problem.segment_ns[i]
        into = ends[i]
        np.add(ends[i + 1], stay[:, None], out=into)
        into[..., ~may_leave[i]] = _NEVER
        if may_drop[i]:
            cut = into[:, : layers - step] - (price[:, None] * problem.cut_ns[i])[:, None]
            above = into[:, step:]
            np.maximum(above, best_below(cut, highest), out=above)
    return ends


def best_below(rows: Int64, highest: Int64) -> Int64:
    """For each column, the greatest of a row over the smaller columns that it may cut to.

    Args:
        rows: shape (..., C).
        highest: shape (C,), the last column that a cut to each may come from.

    >>> best_below(np.array([7, 5, 9, 8]), np.array([1, 2, 3, 3])).tolist()[1:]
    [7, 5, 9]
    """
    width = len(highest)
    lowest = np.searchsorted(highest, np.arange(width))
    # Read from right to left it is `best_above`.
    return best_above(rows[..., ::-1], width - 1 - lowest[::-1])[..., ::-1]


def best_above(rows: Int64, highest: Int64) -> Int64:
    """For each column ``k``, the greatest of a row over columns ``k + 1`` to ``highest[k]``.

    Args:
        rows: shape (..., C).
        highest: shape (C,), ascending.

    >>> best_above(np.array([7, 5, 9, 8]), np.array([1, 2, 3, 3])).tolist()[:3]
    [5, 9, 8]
    """
    width = rows.shape[-1]
    best = np.full(rows.shape, _NEVER, dtype=np.int64)
    if highest[0] == width - 1:
        best[..., :-1] = np.maximum.accumulate(rows[..., :0:-1], axis=-1)[..., ::-1]
        return best
    # Two ranges whose length is a power of two cover any range; one power after another.
    first, length = np.arange(1, width + 1), highest - np.arange(width)
    covered, size = rows, 1
    while True:
        (k,) = np.nonzero((length >= size) & (length < 2 * size))
        best[..., k] = np.maximum(covered[..., first[k]], covered[..., highest[k] - size + 1])
        if 2 * size > length.max():
            return best
        covered = np.maximum(covered[..., :-size], covered[..., size:])
        size *= 2


@dataclass(frozen=True, slots=True)
class Path:
    """A schedule, by its columns, with its value, and its latency without `fixed_ns`."""

    value: int
    latency_ns: int
    columns: tuple[int, ...]


def best_at(problem: Problem, scale: int, price: int) -> Path:
    """A schedule that is best at a price."""
    starts = starts_at(problem, np.array([scale]), np.array([price]))[:, 0]
    step, highest = layers_of(problem)[1], problem.highest_before
    layer, k = (int(n) for n in np.unravel_index(int(starts[-1].argmax()), starts[-1].shape))
    value, latency, columns = 0, 0, []
    for i in reversed(range(problem.depth)):
        columns.append(k)
        gained, cost = int(problem.value[i, k]), int(problem.segment_ns[i, k])
        value, latency = value + gained, latency + cost
        if starts[i + 1, layer, k] == starts[i, layer, k] + scale * gained - price * cost:
            continue
        latency += int(problem.cut_ns[i, k])
        layer += step
        k += 1 + int(starts[i, layer, k + 1 : highest[k] + 1].argmax())
    return Path(value, latency, tuple(reversed(columns)))
