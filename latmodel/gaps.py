"""The gaps between neighbouring probes: what latency does across each, and what hides inside.

A library rounds a matrix up to whole tiles, so latency steps after a multiple of a tile's
rows: 64 tokens and 65 may differ where 60 and 70 do not. Everything between two probes is
judged by how wide their gap is, how many tile edges it crosses, and how much latency rises
across it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["STEPS", "TILES", "Floats", "Gaps"]

Floats = npt.NDArray[np.float64]

TILES = np.array([8, 16, 32, 64, 128])
"""Rows of the tiles that GEMM and attention kernels use, in tokens.

Source: the kernel names in NeuSight's operator timings (commit 6945927) hold 32 to 256;
tensor-core kernels step every 16 or 8 rows."""

STEPS = np.array([0.003, 0.006, 0.015, 0.06, 0.1])
"""A typical step after a multiple of each of `TILES`, as a fraction of latency.

Source: LLMServingSim's RTX 3090 (commit 5daddb2), a Llama block at every count: 0.03 to 0.6
after multiples of 64, little after the others. Only a start: each curve corrects it."""


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """Neighbouring probes, pair by pair; shapes (G,) unless said otherwise.

    Attributes:
        counts: shape (G + 1,), the probes' token counts, ascending.
        centres: shape (G + 1,), their latency, in any unit.
        errors: shape (G + 1,), one standard deviation of each centre, as a fraction of it.
    """

    counts: npt.NDArray[np.int64]
    centres: Floats
    errors: Floats

    @property
    def widths(self) -> Floats:
        """Tokens from one probe to the next."""
        return np.diff(self.counts).astype(np.float64)

    @property
    def middles(self) -> Floats:
        """The token count half-way."""
        return (self.counts[1:] + self.counts[:-1]) / 2.0

    @property
    def levels(self) -> Floats:
        """The latency half-way, which rises are fractions of."""
        return (self.centres[1:] + self.centres[:-1]) / 2.0

    @property
    def rises(self) -> Floats:
        """How much latency rises across each, as a fraction of the level."""
        return np.diff(self.centres) / self.levels

    @property
    def noise(self) -> Floats:
        """The variance of each rise that the readings' own noise explains."""
        squares = self.errors**2
        return squares[1:] + squares[:-1]

    @property
    def edges(self) -> Floats:
        """Shape (G, tiles): tile edges crossed, the multiples of each tile in [start, stop)."""
        below = (self.counts[:, None] - 1) // TILES
        crossed: Floats = np.diff(below, axis=0).astype(np.float64)
        return crossed

    def distances(self) -> Floats:
        """Shape (G, G): tokens from the middle of each to the middle of each other."""
        apart: Floats = np.abs(self.middles[:, None] - self.middles[None, :])
        return apart
