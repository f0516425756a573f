"""Accuracy at equal latency, on each method's own frontier, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "Point", "at_share", "difference", "estimate"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_SIGMAS = 1.959964
"""Of the interval of 95 %."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One setting of a method, or the uncut model.

    Attributes:
        share: its latency over the uncut model's.
        right: shape (images,), where its answer was right.
        agrees: shape (images,), where its answer was the uncut model's.
    """

    share: float
    right: Bools
    agrees: Bools


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over images, and half of the width of its interval of 95 %."""

    mean: float
    half: float

    def __str__(self) -> str:
        return f"{100 * self.mean:5.1f} ±{100 * self.half:3.1f}"


def at_share(points: list[Point], share: float) -> tuple[Floats, Floats] | None:
    """Each image's mean right answer, and agreement, of a method that has this latency.

    A method may run a setting for a part of the time and its neighbour for the rest, so its
    accuracy is the straight line between them. Settings that another beats are left out.

    Args:
        points: of the method, the uncut model among them.
        share: of the uncut model's latency.

    Returns:
        Two of shape (images,), from 0 to 1; None where the method cannot be so fast.
    """
    frontier: list[Point] = []
    for point in sorted(points, key=lambda one: (one.share, -one.right.mean())):
        if not frontier or point.right.mean() > frontier[-1].right.mean():
            frontier.append(point)
    if share < frontier[0].share:
        return None
    below = max(place for place, one in enumerate(frontier) if one.share <= share)
    low, high = frontier[below], frontier[min(below + 1, len(frontier) - 1)]
    part = (share - low.share) / (high.share - low.share) if high is not low else 0.0
    return (
        (1 - part) * low.right + part * high.right,
        (1 - part) * low.agrees + part * high.agrees,
    )


def estimate(values: Floats) -> Estimate:
    """The mean of values of shape (images,), each image on its own."""
    return Estimate(
        float(values.mean()), _SIGMAS * float(values.std(ddof=1)) / sqrt(len(values))
    )


def difference(ours: Floats, theirs: Floats) -> Estimate:
    """The mean of what each image gains, so that what is hard for both counts once."""
    return estimate(ours - theirs)
