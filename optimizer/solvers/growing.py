"""Growing schedules from the last block back, without the ends that cannot matter.

The labels before block ``i + 1`` give those before block ``i`` by one of two moves: block
``i`` keeps the count that reaches it, or cuts from any larger one. Of the ends that one state
reaches only those stay that no other beats in both latency and value: whatever starts
before a beaten end does at least as well before the one that beats it (Bellman). Latencies
need not rise with counts, and cuts may cost anything: states with different counts are
never compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.problem import Int64, Problem
from optimizer.solvers.bounding import BlockBounds, Bounds
from optimizer.solvers.clock import Clock
from optimizer.solvers.labels import Labels, joined, unbeaten
from optimizer.solvers.pricing import layers_of

__all__ = ["Crowded", "grow", "tokens_of"]

_PAIRS = 1 << 18
"""Ends put behind starts in one go: what bounds memory, and the time between two looks at
the clock."""

_PER_LABEL = 15
"""Looking at so many pairs of a start and an end takes as long as growing one label."""


class Crowded(Exception):  # noqa: N818 (no error: a smaller step or better bounds follow)
    """More labels than were worth growing."""


def grow(
    problem: Problem,
    bounds: Bounds,
    aim: int,
    clock: Clock,
    *,
    most: int | None = None,
    begun: list[Labels] | None = None,
) -> list[Labels] | None:
    """All ends, block by block, that may belong to a schedule worth `aim` or more.

    Args:
        problem: with allowed counts only (`Problem.allowed_only`).
        bounds: of that problem.
        aim: a value.
        clock: stops the search.
        most: labels at most; None for no limit.
        begun: empty, or what an earlier call with the same bounds and aim left here when it
            found a crowd; goes on from there. Filled from the last block back.

    Returns:
        The labels before every block, and after the last. Those of the first are whole
        schedules, in rising latency and value. None where there is none.

    Raises:
        Crowded: there are more labels than `most`, or far too many to choose them from.
        OutOfTime: the clock stopped the search.
    """
    grown = [] if begun is None else begun
    if not grown:
        everything = np.arange(layers_of(problem)[0] * len(problem.counts))
        nothing = np.zeros(len(everything), dtype=np.int64)
        grown.append(Labels(everything, nothing, nothing, nothing, nothing))
    total = sum(len(labels) for labels in grown[1:])
    for i in reversed(range(problem.depth + 1 - len(grown))):
        block = bounds.before(i, aim)
        parts = [_kept(problem, block, grown[-1], i)]
        if problem.may_drop[i]:
            parts += _cut(problem, block, bounds.highest, grown[-1], i, clock, most)
        grown.append(unbeaten(joined(parts)))
        total += len(grown[-1])
        if not len(grown[-1]):
            return None
        if most is not None and total > most:
            raise Crowded
        clock.look()
    return grown[::-1]


def tokens_of(problem: Problem, grown: list[Labels], places: Int64) -> Int64:
    """The schedules of some labels of the first block; shape (len(places), depth)."""
    columns = np.empty((len(places), problem.depth), dtype=np.int64)
    for i, labels in enumerate(grown[:-1]):
        columns[:, i] = labels.column[places]
        places = labels.rest[places]
    tokens: Int64 = problem.counts[columns]
    return tokens


def _kept(problem: Problem, block: BlockBounds, after: Labels, i: int) -> Labels:
    """Block ``i`` keeps the count that reaches it."""
    column = after.state % len(problem.counts)
    labels = Labels(
        after.state,
        after.latency_ns + problem.segment_ns[i, column],
        after.value + problem.value[i, column],
        column,
        np.arange(len(after)),
    )
    if not problem.may_leave[i].all():
        labels = labels.at(np.flatnonzero(problem.may_leave[i, column]))
    places = block.hopeful(block.least, labels.state, labels.value, labels.latency_ns)
    return labels.at(places)


def _cut(
    problem: Problem,
    block: BlockBounds,
    highest: Int64,
    after: Labels,
    i: int,
    clock: Clock,
    most: int | None,
) -> Iterator[Labels]:
    """Block ``i`` cuts to the count that goes on; by the states it may come from."""
    width, (layers, step) = len(problem.counts), layers_of(problem)
    column = after.state % width
    labels = Labels(
        after.state + step * width,  # the layer above the cut, and the column it goes to
        after.latency_ns + problem.segment_ns[i, column] + problem.cut_ns[i, column],
        after.value + problem.value[i, column],
        column,
        np.arange(len(after)),
    )
    possible = problem.may_leave[i, column] & (labels.state < layers * width)
    labels = labels.at(np.flatnonzero(possible))
    places = block.hopeful(block.least_cut, labels.state, labels.value, labels.latency_ns)
    labels = labels.at(places)
    layer = labels.state // width
    for found in range(layers):
        chosen = labels if layers == 1 else labels.at(np.flatnonzero(layer == found))
        yield from _spread(block, highest, chosen, found, clock, most)


def _spread(
    block: BlockBounds,
    highest: Int64,
    labels: Labels,
    layer: int,
    clock: Clock,
    most: int | None,
) -> Iterator[Labels]:
    """Each label that begins with a cut, once for every hopeful state above it."""
    if not len(labels):
        return
    width = len(highest)
    priced = block.priced(0, labels.value, labels.latency_ns)
    order = np.argsort(-priced, kind="stable")
    labels, falling = labels.at(order), -priced[order]
    least = block.least[0, layer * width : (layer + 1) * width]
    counts = np.searchsorted(falling, -least, side="right")
    counts[: int(labels.column.min()) + 1] = 0
    alive = np.flatnonzero(counts)
    if most is not None and counts.sum() > _PER_LABEL * most:
        raise Crowded
    for some in np.split(alive, _splits(counts[alive])):
        repeats = counts[some]
        above = np.repeat(some, repeats)
        place = np.arange(len(above)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        column = labels.column[place]
        fits = np.flatnonzero((column < above) & (above <= highest[column]))
        above, place = above[fits], place[fits]
        state, value, latency = (
            layer * width + above,
            labels.value[place],
            labels.latency_ns[place],
        )
        good = block.hopeful(block.least, state, value, latency, first=1)
        place = place[good]
        yield Labels(
            state[good], latency[good], value[good], labels.column[place], labels.rest[place]
        )
        clock.look()


def _splits(counts: Int64) -> Int64:
    """Where to part the states, so that each part has about `_PAIRS` ends."""
    parts = np.cumsum(counts) // _PAIRS
    return np.flatnonzero(np.diff(parts)) + 1
