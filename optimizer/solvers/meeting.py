"""Starts and ends that meet before a block: whole schedules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Int64
from optimizer.solvers.growing import Side
from optimizer.solvers.labels import Labels, packed, unbeaten

__all__ = ["Schedules", "meet"]


@dataclass(frozen=True, slots=True, eq=False)
class Schedules:
    """Schedules by rising latency and value, none beaten; each array has shape (N,) or more.

    Attributes:
        latency_ns: without what no cut changes.
        value: of each.
        tokens: shape (N, depth).
    """

    latency_ns: Int64
    value: Int64
    tokens: Int64

    def __len__(self) -> int:
        return len(self.value)


def meet(starts: Side, ends: Side, *, every: bool) -> Schedules:
    """Schedules within the budget and worth the aim or more; perhaps none.

    Args:
        starts: up to some block.
        ends: from that block on, with the same bounds and aim.
        every: all that no other beats; if not, only the one of greatest value.
    """
    one, other = starts.labels, ends.labels
    low, high = _partners(starts, ends)
    if not every:
        low = np.maximum(low, high - 1)
    counts = np.maximum(high - low, 0)
    a = np.repeat(np.arange(len(one)), counts)
    b = np.arange(len(a)) - np.repeat(np.cumsum(counts) - counts, counts) + low[a]
    latency = one.latency_ns[a] + other.latency_ns[b]
    pairs = unbeaten(
        Labels(np.zeros_like(a), latency, one.value[a] + other.value[b], a, b, one.rank[a])
    )
    if not every:
        pairs = pairs.at(np.arange(len(pairs))[-1:])
    tokens = np.hstack([starts.tokens(pairs.column), ends.tokens(pairs.rest)])
    return Schedules(pairs.latency_ns, pairs.value, tokens)


def _partners(starts: Side, ends: Side) -> tuple[Int64, Int64]:
    """The ends that make a schedule of each start: the places of the first, and after the last.

    The ends of a state ascend in latency and value, so those that the room allows are the
    first ones, and those that come to the aim the last ones.
    """
    one, other = starts.labels, ends.labels
    if not len(one) or not len(other):
        return np.zeros(len(one), dtype=np.int64), np.zeros(len(one), dtype=np.int64)
    state = np.concatenate([other.state, one.state])
    room = np.concatenate([other.latency_ns, starts.bounds.room_ns - one.latency_ns])
    needed = np.concatenate([other.value, starts.aim - one.value])
    by_room, by_value = packed(state, room), packed(state, needed)
    size = len(other)
    high = np.searchsorted(by_room[:size], by_room[size:], side="right")
    low = np.searchsorted(by_value[:size], by_value[size:], side="left")
    return low, high
