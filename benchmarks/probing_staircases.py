"""Made-up curves with a known truth: staircases with planted trouble, and smooth ones.

A staircase is the sum of four matrix products and an attention. Every product has two
kernels; a kernel covers the rows by tiles, and the device runs so many tiles at once, in
waves. Which kernel runs is planted: it switches at some counts, and in some stretches it
alternates without a rule, as libraries do where two kernels are almost equally fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from probing_curves import SIZES, Floats, Ints, Replayed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["made_up_curves"]

_DENSE_NS = 10_000_000
_TILES = ((16, 64), (32, 64), (64, 64), (64, 128), (128, 64), (128, 128))
_MULTIPROCESSORS = (8, 16, 40, 68, 82, 108, 132)


class _Kernel(NamedTuple):
    """One way to multiply: rows and columns of a tile, and what a row of it costs."""

    rows: int
    columns: int
    cost: float
    tail: float
    """The share of a wave that is paid by the tile, not by the wave."""

    def latency(self, rows: Ints, columns: int, multiprocessors: int) -> Floats:
        tiles = np.ceil(rows / self.rows) * np.ceil(columns / self.columns)
        waves = np.ceil(tiles / multiprocessors)
        mixed = self.tail * np.maximum(tiles / multiprocessors, 1) + (1 - self.tail) * waves
        total: Floats = mixed * self.rows * self.columns * self.cost
        return total


def made_up_curves(seeds: int = 8) -> Iterator[Replayed]:
    """Staircases and smooth curves of both sizes; the same at every call."""
    for seed in range(seeds):
        for limit, probes in SIZES.items():
            counts = np.arange(1, limit + 1)
            for family, latency in (
                ("staircases", _staircase(np.random.default_rng((seed, limit)), counts)),
                ("smooth", _smooth(np.random.default_rng((seed, limit)), counts, seed)),
            ):
                scaled = np.rint(latency / latency[-1] * _DENSE_NS).astype(np.int64)
                yield Replayed(family, f"{family} {seed}, {limit}", counts, scaled, probes)


def _staircase(rng: np.random.Generator, counts: Ints) -> Floats:
    rows = counts * int(rng.choice((1, 1, 1, 8)))  # the batch multiplies the rows
    multiprocessors = int(rng.choice(_MULTIPROCESSORS))
    width = int(rng.choice((384, 768, 1024)))
    total = np.zeros(len(counts))
    for columns, depth in ((3, 1), (1, 1), (4, 1), (1, 4)):
        total += depth * _product(rng, rows, columns * width, multiprocessors)
    share = counts / counts[-1]
    total += rng.uniform(0, 0.2) * total[-1] * share * np.ceil(counts / 64) / (counts[-1] / 64)
    total += rng.uniform(0, 0.3) * total[-1]  # launches
    if rng.random() < 0.4:  # bound by them: a floor
        total = np.maximum(total, rng.uniform(0.4, 0.8) * total[-1])
    return total * rng.lognormal(0.0, rng.choice((0.001, 0.003, 0.006)), len(counts))


def _product(
    rng: np.random.Generator, rows: Ints, columns: int, multiprocessors: int
) -> Floats:
    kernels = [
        _Kernel(*_TILES[tile], rng.uniform(0.85, 1.2), rng.uniform(0, 0.5))
        for tile in rng.choice(len(_TILES), size=2, replace=False)
    ]
    both = np.array([kernel.latency(rows, columns, multiprocessors) for kernel in kernels])
    # The library's rule is right on the whole, and switches where it does not quite fit.
    misjudged = np.sort(rng.integers(0, len(rows), size=2))
    bias = np.repeat(rng.normal(0, 0.08, 3), np.diff([0, *misjudged, len(rows)]))
    chosen = (both[1] < both[0] * np.exp(bias)).astype(int)
    if rng.random() < 0.35:  # an alternating zone
        start, length = rng.integers(0, len(rows)), rng.integers(10, 70)
        zone = slice(start, start + length)
        chosen[zone] = rng.integers(0, 2, len(chosen[zone]))
    picked: Floats = both[chosen, np.arange(len(rows))]
    return picked


def _smooth(rng: np.random.Generator, counts: Ints, shape: int) -> Floats:
    """By turns: linear and quadratic, or a floor that turns into a line."""
    share = counts / counts[-1]
    curve = (
        rng.uniform(0.02, 0.5) + rng.uniform(0.2, 1) * share + rng.uniform(0, 0.4) * share**2
    )
    if shape % 2:
        floor = rng.uniform(0.3, 0.7) * curve[-1]
        curve = (floor**8 + curve**8) ** (1 / 8)
    jitter: Floats = rng.lognormal(0.0, rng.choice((0.0, 0.0005, 0.003)), len(counts))
    jittered: Floats = curve * jitter
    return jittered
