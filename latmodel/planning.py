"""Which token count to probe next.

Libraries round a matrix up to whole tiles, so a step hides most often right after a
multiple of a power of two: 64 tokens and 65 are worth more than 60 and 70. Where the
probes already show a rise that the slope around it does not explain, the next probe
halves that gap, until the step is known to the exact count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latmodel.measurement import Measurement

__all__ = ["first_counts", "next_count"]

_TILES = (128, 64, 32, 16, 8)
"""Rows of the tiles that GEMM and attention kernels use, widest first.

Source: the kernel names in NeuSight's operator timings (commit 6945927) hold 32 to 256;
tensor-core kernels step every 16 or 8 rows."""


def first_counts(tokens: Sequence[int], max_probes: int) -> tuple[int, ...]:
    """The counts to probe before anything is known: floor, full, both sides of wide tiles.

    Args:
        tokens: the counts of interest, ascending.
        max_probes: probes that may be spent in all; at most half go here, two at least.

    Returns:
        Counts out of `tokens`, in the order to probe them.

    >>> first_counts(range(1, 198), 24)
    (1, 197, 128, 129, 64, 65, 192, 193, 32, 33, 96, 97)
    """
    known = set(tokens)
    chosen = dict.fromkeys((tokens[0], tokens[-1]))
    for tile in _TILES:
        for edge in range(tile, tokens[-1], tile):
            pair = [c for c in (edge, edge + 1) if c in known and c not in chosen]
            if len(pair) == 2 and len(chosen) + 2 <= max(max_probes // 2, 2):
                chosen.update(dict.fromkeys(pair))
    return tuple(chosen)[:max_probes]


def next_count(tokens: Sequence[int], probes: Sequence[Measurement]) -> int | None:
    """The count whose probe removes most of what is not yet known.

    Every gap between two probes is weighed by the rise in it that the median slope does
    not explain, above the noise of its two ends, and a little by its width, so that no
    stretch is left unseen.

    Args:
        tokens: the counts of interest, ascending.
        probes: at least two, ascending in count.

    Returns:
        A count out of `tokens` not yet probed; None when every one was.
    """
    probed = {probe.count for probe in probes}
    counts = np.array([probe.count for probe in probes], dtype=np.float64)
    logs = np.log([probe.centre_ns for probe in probes])
    noise = np.array([probe.relative_error for probe in probes])
    widths, rises = np.diff(counts), np.diff(logs)
    slope = float(np.median(rises / widths))
    unexplained = np.abs(rises - slope * widths) - 2 * np.hypot(noise[1:], noise[:-1])
    exploring = 0.1 * (np.ptp(logs) + 0.01) * widths / (counts[-1] - counts[0])
    for gap in np.argsort(-(np.maximum(unexplained, 0.0) + exploring), kind="stable"):
        inside = [c for c in tokens if counts[gap] < c < counts[gap + 1] and c not in probed]
        if inside:
            return _halve(int(counts[gap]), int(counts[gap + 1]), inside)
    return None


def _halve(low: int, high: int, inside: Sequence[int]) -> int:
    """The count of `inside` nearest the middle among those at the widest tile's edge.

    A multiple of a tile is the last count before a step, so the one after it is tried
    too as soon as the multiple itself is known.
    """
    middle = (low + high) / 2
    if low + 1 in inside and any(low % tile == 0 for tile in _TILES[:4]):
        return low + 1
    for tile in _TILES:
        at_edge = [c for c in inside if c % tile == 0]
        if at_edge:
            return min(at_edge, key=lambda c: abs(c - middle))
    return min(inside, key=lambda c: abs(c - middle))
