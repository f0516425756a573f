"""Parts of schedules, many at once, and which of them no other beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Int64

__all__ = ["Labels", "joined", "packed", "unbeaten"]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Starts or ends of schedules, all up to the same block; each array has shape (L,).

    Attributes:
        state: where start and end meet: layer * C + column, of the count between them.
        latency_ns: of the part.
        value: of the part.
        column: the count that the block which was added last leaves.
        rest: the place, among the labels of one block less, of the part without that block.
        rank: of equal parts with the same state the one of greatest rank cuts later.
    """

    state: Int64
    latency_ns: Int64
    value: Int64
    column: Int64
    rest: Int64
    rank: Int64

    def __len__(self) -> int:
        return len(self.state)

    def at(self, places: Int64) -> Labels:
        """Only these, in this order."""
        return Labels(
            *(self.state[places], self.latency_ns[places], self.value[places]),
            *(self.column[places], self.rest[places], self.rank[places]),
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
        np.concatenate([p.rank for p in parts]),
    )


def unbeaten(labels: Labels) -> Labels:
    """The labels that no other of the same state beats in both latency and value.

    Of equal ones the greatest rank stays.

    Returns:
        Ordered by state, then latency; so in each state both latency and value ascend.
    """
    if len(labels) < 2:
        return labels
    order = _order(labels)
    state, value = labels.state[order], labels.value[order]
    # The greatest value so far in each state: raised from one state to the next.
    raised = packed(np.cumsum(np.append(False, state[1:] != state[:-1])), value)
    best = np.maximum.accumulate(raised)
    better = np.append(True, raised[1:] > best[:-1])
    return labels.at(order[better])


def _order(labels: Labels) -> Int64:
    """By state, then latency; of these equal, the greatest value, then rank, comes first."""
    key = packed(labels.state, labels.latency_ns)
    order = np.argsort(key)  # the fastest sort there is; it leaves equal ones anyhow
    ordered = key[order]
    same = ordered[1:] == ordered[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    few = order[tied]
    order[tied] = few[np.lexsort((-labels.rank[few], -labels.value[few], key[few]))]
    return order


def packed(first: Int64, second: Int64) -> Int64:
    """One number in place of two, not negative the first: ordered by it, then by the second."""
    least = second.min()
    span = int(second.max() - least) + 1
    if (int(first.max()) + 1) * span < 1 << 62:
        both: Int64 = first * span + (second - least)
        return both
    rank = np.unique(second, return_inverse=True)[1].reshape(-1)
    ranked: Int64 = first * len(rank) + rank
    return ranked
