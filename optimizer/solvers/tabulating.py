"""The least latency of every value at once, where values are few: a plain table.

The entry of a state and a value is the least latency of an end of that value. Where values
are small whole numbers, as kept tokens are, the table is small, and filled row by row it
answers every budget faster than ends that are compared with each other.

Source: the knapsack table by profits, Kellerer, Pferschy and Pisinger 2004, section 2.3.
"""

from __future__ import annotations

import numpy as np

from optimizer.problem import Int64, Problem
from optimizer.solvers.points import Points
from optimizer.solvers.pricing import layers_of

__all__ = ["entries", "tabulated"]

_NEVER = 1 << 61
"""Above every latency, which are below 2**60: a value that no end has. No entry is greater,
since every row begins with it."""


def entries(problem: Problem) -> int:
    """How many entries the tables have."""
    spread = int((problem.value.max(axis=1) - problem.value.min(axis=1)).sum()) + 1
    return spread * problem.depth * layers_of(problem)[0] * len(problem.counts)


def tabulated(problem: Problem) -> Points:
    """Every schedule that is optimal for some budget, by rising latency.

    Args:
        problem: with allowed counts only, and no `largest_drop`.
    """
    above = problem.value - problem.value.min(axis=1)[:, None]  # values from 0 in each block
    tables = [np.zeros((layers_of(problem)[0], len(problem.counts), 1), dtype=np.int64)]
    for i in reversed(range(problem.depth)):
        tables.append(_block(problem, tables[-1], above[i], i))
    tables.reverse()
    latency = tables[0][-1, -1]
    # A value stays if no greater one is as fast.
    fastest_above = np.append(np.minimum.accumulate(latency[::-1])[::-1][1:], _NEVER)
    values = np.flatnonzero(latency < fastest_above)
    tokens = problem.counts[_read(problem, tables, above, values)]
    value = values + int(problem.value.min(axis=1).sum())
    return Points(latency[values] + problem.fixed_ns, value, tokens)


def _block(problem: Problem, after: Int64, above: Int64, i: int) -> Int64:
    """The table before block ``i``; shape (layers, C, values)."""
    layers, width, values = after.shape
    step = layers_of(problem)[1]
    table = np.full((layers, width, values + int(above.max())), _NEVER, dtype=np.int64)
    may_leave, may_drop = problem.may_leave[i], problem.may_drop[i]
    for layer in range(layers):
        cuts = np.full(table.shape[2], _NEVER, dtype=np.int64)  # to any column below p
        source = after[layer - step] if may_drop and layer >= step else None
        for p in range(width):
            row = table[layer, p]
            row[:] = cuts
            if not may_leave[p]:
                continue
            segment, into = problem.segment_ns[i, p], slice(above[p], above[p] + values)
            np.minimum(row[into], after[layer, p] + segment, out=row[into])
            if source is not None:
                cut = source[p] + (segment + problem.cut_ns[i, p])
                np.minimum(cuts[into], cut, out=cuts[into])
    return table


def _read(problem: Problem, tables: list[Int64], above: Int64, values: Int64) -> Int64:
    """The columns of the schedules of some values; shape (len(values), depth).

    Keeping comes before cutting and a larger column before a smaller one, so ties fall to
    the later cut.
    """
    layer = np.full(len(values), len(tables[0]) - 1)
    column = np.full(len(values), len(problem.counts) - 1)
    columns = np.empty((len(values), problem.depth), dtype=np.int64)
    left = values
    latency = tables[0][layer, column, values]
    for i, after in enumerate(tables[1:]):
        rest = left - above[i, column]
        kept = problem.may_leave[i, column] & (rest >= 0) & (rest < after.shape[2])
        rest = np.where(kept, rest, 0)
        segment = problem.segment_ns[i, column]
        kept &= after[layer, column, rest] + segment == latency
        cut = np.flatnonzero(~kept)
        if len(cut):
            layer[cut] -= layers_of(problem)[1]
            column[cut] = _reached(
                problem, after, above[i], i, layer[cut], column[cut], left[cut], latency[cut]
            )
        left = left - above[i, column]
        latency = after[layer, column, left]
        columns[:, i] = column
    return columns


def _reached(
    problem: Problem,
    after: Int64,
    above: Int64,
    i: int,
    layer: Int64,
    before: Int64,
    left: Int64,
    latency: Int64,
) -> Int64:
    """The largest column that a cut of block ``i`` went to."""
    found = np.full(len(before), -1)
    cost = problem.segment_ns[i] + problem.cut_ns[i]
    for k in reversed(np.flatnonzero(problem.may_leave[i])):
        seek = np.flatnonzero((found < 0) & (before > k))
        rest = left[seek] - above[k]
        inside = (rest >= 0) & (rest < after.shape[2])
        seek, rest = seek[inside], rest[inside]
        good = after[layer[seek], k, rest] + cost[k] == latency[seek]
        found[seek[good]] = k
    return found
