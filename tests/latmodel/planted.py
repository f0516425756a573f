"""Probes and gaps with a planted answer, as short as they can be written."""

from __future__ import annotations

import numpy as np

from latmodel.gaps import Gaps
from latmodel.measurement import Measurement

__all__ = ["gaps_through", "probes_through"]


def gaps_through(*points: tuple[int, float], error: float = 0.0) -> Gaps:
    """The gaps between (count, latency) points, all equally sure."""
    counts, centres = zip(*points, strict=True)
    return Gaps(
        np.array(counts, dtype=np.int64),
        np.array(centres, dtype=np.float64),
        np.full(len(points), error),
    )


def probes_through(*points: tuple[int, float]) -> list[Measurement]:
    """One sample at each (count, latency) point."""
    return [Measurement(count, (round(latency),)) for count, latency in points]
