"""Growing starts and ends of schedules, without those that cannot matter.

The parts up to a block give those with one block more by one of two moves: the block keeps
the column, or cuts to or from another one. Of the parts with one state only those stay that
no other beats in both latency and value: whatever goes on from a beaten one does at least as
well from the one that beats it (Bellman). Latencies need not rise with counts, and cuts may
cost anything: parts with different states are compared only where both are about to be cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from optimizer.problem import Int64, Problem
from optimizer.solvers.bounding import BlockBounds, Bounds
from optimizer.solvers.clock import Clock
from optimizer.solvers.labels import Labels, joined, unbeaten
from optimizer.solvers.pricing import layers_of
from optimizer.solvers.stepping import Step, Steps
from optimizer.solvers.thinning import cuttable

__all__ = ["Side", "ends_from", "starts_from"]

_PAIRS = 1 << 18
"""Parts made in one go: what bounds memory, and the time between two looks at the clock."""

_PER_LABEL = 15
"""Looking at so many pairs of a part and a cut takes as long as growing one label."""

Int32 = npt.NDArray[np.int32]


@dataclass(slots=True)
class Side:
    """The starts of schedules, or the ends, grown block by block.

    Attributes:
        problem: with allowed counts only (`Problem.allowed_only`).
        steps: of that problem.
        bounds: of that problem.
        aim: parts of schedules worth less may be left out.
        back: whether these are ends.
        width: parts that are kept at most, of the greatest promise; None for no limit.
        block: ends begin with this block, and starts stop before it.
        labels: the parts.
        whole: whether none was left out for want of width.
        expected: about how many parts there will be with one block more.
    """

    problem: Problem
    steps: Steps
    bounds: Bounds
    aim: int
    back: bool
    width: int | None
    block: int
    labels: Labels
    whole: bool = True
    expected: float = 1.0
    _traces: list[tuple[Int32, Int32]] = field(default_factory=list)

    def grow(self, clock: Clock) -> None:
        """Take one block more."""
        before = len(self.labels)
        self.block -= self.back
        step = (self.steps.back if self.back else self.steps.on)[self.block]
        self.block += not self.back
        bounds = self.bounds.before(self.block, self.aim, step)
        parts = [_kept(step, bounds, self.labels)]
        if step.may_cut:
            parts += self._cut(step, bounds, clock)
        found = unbeaten(joined(parts))
        if self.width is not None and len(found) > self.width:
            self.whole = False
            promise = bounds.promise(found.state, found.value, found.latency_ns)
            best = np.argpartition(-promise, self.width)[: self.width]
            found = found.at(np.sort(best))
        self._traces.append((found.column.astype(np.int32), found.rest.astype(np.int32)))
        self.labels = found if self.back else _ranked(found, len(self.problem.counts))
        self.expected = len(found) * min(len(found) / max(before, 1), 2.0)
        clock.look()

    def tokens(self, places: Int64) -> Int64:
        """The counts of some parts, by the blocks that they hold; a row each."""
        columns = np.empty((len(places), len(self._traces)), dtype=np.int64)
        for i, (column, rest) in enumerate(reversed(self._traces)):
            columns[:, i] = column[places]
            places = rest[places].astype(np.int64)
        tokens: Int64 = self.problem.counts[columns if self.back else columns[:, ::-1]]
        return tokens

    def _cut(self, step: Step, bounds: BlockBounds, clock: Clock) -> Iterator[Labels]:
        """The parts that are cut at the block, by the states that they come to."""
        width, (layers, _) = len(self.problem.counts), layers_of(self.problem)
        column, place = self.labels.state % width, np.arange(len(self.labels))
        labels = Labels(
            self.labels.state + step.shift,  # the layer after the cut, the column before it
            self.labels.latency_ns + step.leave_ns[column],
            self.labels.value + step.leave_value[column],
            column,
            place,
            column if self.back else self.labels.rank,
        )
        possible = step.may_cut_from[column] & (labels.state >= 0)
        possible &= labels.state < layers * width
        labels = labels.at(np.flatnonzero(possible))
        least = bounds.least_cut
        labels = labels.at(bounds.hopeful(least, labels.state, labels.value, labels.latency_ns))
        layer = labels.state // width
        for found in range(layers):
            chosen = labels if layers == 1 else labels.at(np.flatnonzero(layer == found))
            chosen = cuttable(chosen, back=self.back) if step.nested else chosen
            yield from self._spread(step, bounds, chosen, found, clock)

    def _spread(
        self, step: Step, bounds: BlockBounds, labels: Labels, layer: int, clock: Clock
    ) -> Iterator[Labels]:
        """Each part that is cut, once for every hopeful state that it comes to."""
        if not len(labels):
            return
        width = len(step.first)
        priced = bounds.priced(0, labels.value, labels.latency_ns)
        order = np.argsort(-priced, kind="stable")
        labels, falling = labels.at(order), -priced[order]
        counts = self._reaching(step, bounds, labels, falling, layer)
        alive = np.flatnonzero(counts)
        for some in np.split(alive, _splits(counts[alive])):
            repeats = counts[some]
            entered = np.repeat(some, repeats)
            place = np.arange(len(entered)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
            column = labels.column[place]
            fits = (step.first[entered] <= column) & (column <= step.last[entered])
            entered, place = entered[fits], place[fits]
            state = layer * width + entered
            latency = labels.latency_ns[place] + step.enter_ns[entered]
            value = labels.value[place] + step.enter_value[entered]
            good = bounds.hopeful(bounds.least, state, value, latency, first=1)
            place = place[good]
            yield unbeaten(
                Labels(
                    *(state[good], latency[good], value[good]),
                    labels.column[place] if self.back else entered[good],
                    *(labels.rest[place], labels.rank[place]),
                )
            )
            clock.look()

    def _reaching(
        self, step: Step, bounds: BlockBounds, labels: Labels, falling: Int64, layer: int
    ) -> Int64:
        """How many of the parts, the best first, may reach each column by a cut."""
        width = len(step.first)
        states = slice(layer * width, (layer + 1) * width)
        enter = bounds.priced(0, step.enter_value, step.enter_ns)
        counts = np.searchsorted(falling, enter - bounds.least[0, states], side="right")
        some = (step.first <= labels.column.max()) & (labels.column.min() <= step.last)
        counts[~(some & bounds.alive[states] & step.may_enter)] = 0
        most = None if self.width is None else _PER_LABEL * self.width
        if most is not None and counts.sum() > most:
            self.whole = False
            counts = -(-counts * most // counts.sum())
        return counts


def starts_from(
    problem: Problem, steps: Steps, bounds: Bounds, aim: int, width: int | None
) -> Side:
    """Starts without a block yet: nothing is cut before the first."""
    nothing = np.zeros(1, dtype=np.int64)
    state = nothing + layers_of(problem)[0] * len(problem.counts) - 1
    labels = Labels(state, nothing, nothing, nothing, nothing, nothing)
    return Side(problem, steps, bounds, aim, False, width, 0, labels)


def ends_from(
    problem: Problem, steps: Steps, bounds: Bounds, aim: int, width: int | None
) -> Side:
    """Ends without a block yet: any state may be the last."""
    before = bounds.before(problem.depth, aim, steps.back[-1])
    state = np.flatnonzero(before.alive)
    nothing = np.zeros(len(state), dtype=np.int64)
    labels = Labels(state, nothing, nothing, nothing, nothing, nothing)
    # Each may be reached by a cut to any smaller count.
    expected = len(state) ** 2 / 2
    return Side(
        problem, steps, bounds, aim, True, width, problem.depth, labels, expected=expected
    )


def _kept(step: Step, bounds: BlockBounds, labels: Labels) -> Labels:
    """The parts whose column stays at the block."""
    column = labels.state % len(step.first)
    kept = Labels(
        labels.state,
        labels.latency_ns + step.keep_ns[column],
        labels.value + step.keep_value[column],
        column,
        np.arange(len(labels)),
        column if step.back else labels.rank,
    )
    if not step.may_keep.all():
        kept = kept.at(np.flatnonzero(step.may_keep[column]))
    return kept.at(bounds.hopeful(bounds.least, kept.state, kept.value, kept.latency_ns))


def _ranked(starts: Labels, width: int) -> Labels:
    """Ranks for starts: by the rank of the start without its last block, then its column."""
    order = np.argsort(starts.rank * width + starts.column)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return Labels(
        *(starts.state, starts.latency_ns, starts.value, starts.column, starts.rest, rank)
    )


def _splits(counts: Int64) -> Int64:
    """Where to part the states, so that each part has about `_PAIRS` ends."""
    parts = np.cumsum(counts) // _PAIRS
    return np.flatnonzero(np.diff(parts)) + 1
