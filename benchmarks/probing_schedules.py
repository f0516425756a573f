"""The best schedule of alike blocks with free cuts, for many budgets at once, exactly.

Where blocks are alike and a cut costs nothing, a schedule is a bag of counts: sorted, it
never rises. Then the least latency at which k blocks keep t tokens in all follows from that
of k - 1 blocks, and one table answers every budget. `optimizer.solving.solve` finds the same
value (the test compares them) for any blocks, in some 50 to 500 ms a budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probing_curves import Floats, Ints

__all__ = ["DEPTH", "SHARES", "schedules"]

DEPTH = 12
SHARES = tuple(share / 100 for share in range(40, 100, 5))
"""Budgets, as fractions of the unpruned latency."""


def schedules(
    counts: Ints, latency_ns: Floats | Ints, budgets_ns: Sequence[int], depth: int = DEPTH
) -> list[Ints | None]:
    """The schedule that keeps most tokens within each budget.

    Args:
        counts: shape (C,), tokens, ascending.
        latency_ns: shape (C,), of one block; rounded up to whole nanoseconds.
        budgets_ns: for all blocks together.
        depth: blocks.

    Returns:
        Per budget shape (depth,), places in `counts`, falling; None where nothing fits.
    """
    block_ns = np.ceil(np.asarray(latency_ns, dtype=np.float64))
    useful = _undominated(block_ns)
    sizes, costs = counts[useful], block_ns[useful]
    tables = [np.zeros(1)]
    for _ in range(depth):
        tables.append(_one_more(tables[-1], sizes, costs))
    return [_read(tables, useful, sizes, costs, budget) for budget in budgets_ns]


def _undominated(block_ns: Floats) -> Ints:
    """Places of the counts that are cheaper than every larger one."""
    cheapest_after = np.minimum.accumulate(block_ns[::-1])[::-1]
    keep = np.append(block_ns[:-1] < cheapest_after[1:], True)
    return np.flatnonzero(keep)


def _one_more(table: Floats, sizes: Ints, costs: Floats) -> Floats:
    """From the least latency by tokens kept in k blocks, that of k + 1 blocks."""
    longer = np.full(len(table) + int(sizes[-1]), np.inf)
    for size, cost in zip(sizes.tolist(), costs.tolist(), strict=True):
        part = longer[size : size + len(table)]
        np.minimum(part, table + cost, out=part)
    return longer


def _read(
    tables: list[Floats], useful: Ints, sizes: Ints, costs: Floats, budget_ns: int
) -> Ints | None:
    """Walk back from the most tokens that the budget allows."""
    affordable = np.flatnonzero(tables[-1] <= budget_ns)
    if not len(affordable):
        return None
    kept, chosen = int(affordable[-1]), []
    for before in reversed(tables[:-1]):
        left = kept - sizes
        known = (left >= 0) & (left < len(before))
        ways = np.where(known, before[np.where(known, left, 0)] + costs, np.inf)
        best = int(np.argmin(ways))
        chosen.append(int(useful[best]))
        kept -= int(sizes[best])
    return np.array(sorted(chosen, reverse=True))
