"""Ends of schedules, many at once, and which of them no other beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Int64

__all__ = ["Labels", "joined", "unbeaten"]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Ends of schedules, blocks ``i`` to the last; each array has shape (L,).

    Attributes:
        state: what reaches the end: layer * C + column.
        latency_ns: of the end.
        value: of the end.
        column: the count that the first block of the end leaves.
        rest: the place, among the labels of the next block, of the end without its first
            block.
    """

    state: Int64
    latency_ns: Int64
    value: Int64
    column: Int64
    rest: Int64

    def __len__(self) -> int:
        return len(self.state)

    def at(self, places: Int64) -> Labels:
        """Only these, in this order."""
        return Labels(
            self.state[places],
            self.latency_ns[places],
            self.value[places],
            self.column[places],
            self.rest[places],
        )


def joined(parts: list[Labels]) -> Labels:
    """All of them, one after another."""
    if len(parts) == 1:
        return parts[0]
    return Labels(
        np.concatenate([p.state for p in parts]),
        np.concatenate([p.latency_ns for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.column for p in parts]),
        np.concatenate([p.rest for p in parts]),
    )


def unbeaten(labels: Labels) -> Labels:
    """The labels that no other of the same state beats in both latency and value.

    Of equal ones the largest column stays: ties fall to the later cut.

    Returns:
        Ordered by state, then latency; so in each state both latency and value ascend.
    """
    if len(labels) < 2:
        return labels
    order = np.lexsort((-labels.column, -labels.value, labels.latency_ns, labels.state))
    state, value = labels.state[order], labels.value[order]
    # The greatest value so far in each state: ranks, raised from one state to the next.
    rank = np.unique(value, return_inverse=True)[1].reshape(-1)
    raised = np.cumsum(np.append(False, state[1:] != state[:-1])) * len(rank) + rank
    best = np.maximum.accumulate(raised)
    better = np.append(True, raised[1:] > best[:-1])
    return labels.at(order[better])
