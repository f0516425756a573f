"""What schedules a published method can make: one parameter, most tokens first.

The counts are those of the methods' own code, before any device allows or forbids them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from operator import itemgetter

import numpy as np

from optimizer.problem import Int64

__all__ = ["CONSTANT_DROP", "EQUAL_RATIOS", "FIXED_RATIOS", "ONE_CUT", "SHAPES", "Shape"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A method's schedules.

    Attributes:
        name: in words.
        method: whose it is.
        schedules: from depth, full count and prefix to shape (N, depth), in tokens; one
            row per schedule that some parameter gives, from the uncut model down.
    """

    name: str
    method: str
    schedules: Callable[[int, int, int], Int64]


def _one_cut(depth: int, full: int, prefix: int) -> Int64:
    counts = np.arange(full, prefix, -1, dtype=np.int64)
    return _after(depth, full, (depth // 4,), counts[:, None])


def _equal_ratios(depth: int, full: int, prefix: int) -> Int64:
    blocks = _thirds(depth)
    kept = [counts for _, counts in _by_rate(full - prefix, len(blocks), Fraction(0))]
    return _after(depth, full, blocks, np.array(kept[::-1], dtype=np.int64) + prefix)


def _by_rate(
    patches: int, cuts: int, low: Fraction, high: Fraction = Fraction(1)
) -> Iterator[tuple[Fraction, tuple[int, ...]]]:
    """The counts after each cut, by rates in (low, high], ascending; with the largest rate.

    A cut leaves the ceiling of rate times patches, and one token for the others, which the
    next cut counts as a patch; where the ceiling is all, it drops nothing and adds nothing.
    """
    if not cuts:
        yield high, ()
        return
    first, last = low * patches // 1 + 1, -(-high * patches // 1)
    for left in range(int(first), int(last) + 1):
        after = left if left == patches else left + 1
        ends = max(low, Fraction(left - 1, patches)), min(high, Fraction(left, patches))
        for rate, rest in _by_rate(after, cuts - 1, *ends):
            yield rate, (after, *rest)


def _fixed_ratios(depth: int, full: int, prefix: int) -> Int64:
    blocks, patches = _thirds(depth), full - prefix
    # A rate r leaves k patches or more at cut j from r**j = k / patches on. Rates are
    # compared by a power of theirs that makes all of them fractions.
    power = int(np.lcm.reduce(np.arange(1, len(blocks) + 1)))
    rates = [
        (Fraction(left, patches) ** (power // (cut + 1)), cut, left)
        for cut in range(len(blocks))
        for left in range(1, patches + 1)
    ]
    rows, now = [], [0] * len(blocks)
    for _, same in groupby(sorted(rates), key=itemgetter(0)):
        for _, cut, left in same:
            now[cut] = left
        if all(now):
            rows.append(tuple(now))
    rows.reverse()
    return _after(depth, full, blocks, np.array(rows, dtype=np.int64) + prefix)


def _constant_drop(depth: int, full: int, prefix: int) -> Int64:
    most = (full - prefix) // 2
    drop = np.arange(most + 1, dtype=np.int64)
    patches = np.full(most + 1, full - prefix, dtype=np.int64)
    columns = []
    for _ in range(depth):
        patches = patches - np.minimum(drop, patches // 2)
        columns.append(patches + prefix)
    return np.stack(columns, axis=1)


def _thirds(depth: int) -> tuple[int, ...]:
    """The blocks that EViT and DynamicViT cut: 3, 6 and 9 of 12."""
    return tuple(sorted({depth // 4, depth // 2, 3 * depth // 4}))


def _after(depth: int, full: int, blocks: tuple[int, ...], counts: Int64) -> Int64:
    """Schedules that cut at some blocks to some counts: shape (N, cuts) to (N, depth)."""
    before = np.full((len(counts), 1), full, dtype=np.int64)
    cuts_so_far = np.searchsorted(blocks, np.arange(depth), side="right")
    tokens: Int64 = np.concatenate((before, counts), axis=1)[:, cuts_so_far]
    return tokens


ONE_CUT = Shape("one cut", "POMT", _one_cut)
"""One cut at a quarter of the depth, to any count.

Source: Eliopoulos et al. 2025, arXiv:2407.05941: block 3 of 12."""

EQUAL_RATIOS = Shape("equal ratios", "EViT", _equal_ratios)
"""Cuts at a quarter, half and three quarters of the depth, each to the same share of the
patches that reach it, rounded up, and one token for the rest, which the next cut counts.

Source: Liang et al. 2022, arXiv:2202.07800, and their code's rounding."""

FIXED_RATIOS = Shape("fixed ratios", "DynamicViT", _fixed_ratios)
"""Cuts at the same blocks to r, r**2 and r**3 of all patches, rounded down.

Source: Rao et al. 2021, arXiv:2106.02034, and their code's rounding."""

CONSTANT_DROP = Shape("constant drop", "ToMe", _constant_drop)
"""Every block, from the first, drops r tokens, but at most half of the patches it sees.

Source: Bolya et al. 2023, arXiv:2210.09461."""

SHAPES = (ONE_CUT, EQUAL_RATIOS, FIXED_RATIOS, CONSTANT_DROP)
"""All of them."""
