"""Shares of images and their differences, with what chance leaves open."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from optimizer.errors import EvaluationError

__all__ = ["CONFIDENCE", "Change", "Share"]

CONFIDENCE = 0.95
"""Of every interval here."""

_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)

_HALVINGS = 60
"""Of an interval of length 1, until it is shorter than a float can tell."""


@dataclass(frozen=True, slots=True)
class Share:
    """Some of all images.

    Attributes:
        hits: images that count.
        total: all images, 1 or more.

    Raises:
        EvaluationError: there is none, or more count than there are.

    >>> share = Share(45, 50)
    >>> share.rate, [round(end, 4) for end in share.interval]
    (0.9, [0.7864, 0.9565])
    """

    hits: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.total or not self.total:
            raise EvaluationError(f"{self.hits} of {self.total} images is no share of them")

    @property
    def rate(self) -> float:
        """From 0 to 1."""
        return self.hits / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Where the rate over all such images lies, with 95 % confidence.

        Source:
            Wilson 1927, Journal of the American Statistical Association 22:209.
        """
        n, rate, squared = self.total, self.rate, _Z * _Z
        centre = (rate + squared / (2 * n)) / (1 + squared / n)
        half = _Z / (1 + squared / n) * math.sqrt(rate * (1 - rate) / n + squared / (4 * n * n))
        # Rounding would let the ends at no hit and at none but hits pass 0 and 1.
        low = centre - half if self.hits else 0.0
        return low, centre + half if self.hits < n else 1.0


@dataclass(frozen=True, slots=True)
class Change:
    """What a cut changed of the images that a model gets right, image by image.

    Attributes:
        lost: images that only the uncut model gets right.
        gained: images that only the cut one gets right.
        total: all images, 1 or more.

    Raises:
        EvaluationError: there is none, or more changed than there are.

    >>> change = Change(lost=12, gained=4, total=500)
    >>> change.rate, [round(end, 4) for end in change.interval]
    (-0.016, [-0.0345, -0.0004])
    """

    lost: int
    gained: int
    total: int

    def __post_init__(self) -> None:
        least, most = min(self.lost, self.gained), self.lost + self.gained
        if least < 0 or most > self.total or not self.total:
            raise EvaluationError(
                f"{self.lost} lost and {self.gained} gained of {self.total} images contradict "
                "each other"
            )

    @property
    def rate(self) -> float:
        """Accuracy of the cut model less that of the uncut one, from -1 to 1."""
        return (self.gained - self.lost) / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Where the difference over all such images lies, with 95 % confidence.

        Every difference that a score test of paired answers does not refuse; of no
        difference, that is McNemar's test. It holds for few changes too, and for none.

        Source:
            Tango 1998, Statistics in Medicine 17:891.
        """
        return (
            _crossing(lambda end: self._score(end) - _Z, -1.0, self.rate),
            _crossing(lambda end: self._score(end) + _Z, self.rate, 1.0),
        )

    def _score(self, difference: float) -> float:
        """How far the images are from a difference, in standard errors under it."""
        n, gained, lost = self.total, self.gained, self.lost
        # The likeliest share of lost images, were that the difference.
        b = (2 * n - gained + lost) * difference - gained - lost
        c = -lost * difference * (1 - difference)
        likeliest = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = n * (2 * likeliest + difference * (1 - difference))
        apart = gained - lost - n * difference
        if variance <= 0:
            return 0.0 if apart == 0 else math.copysign(math.inf, apart)
        return apart / math.sqrt(variance)


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that falls passes zero."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
