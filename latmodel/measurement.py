"""One probe: the raw timings of one token count, and their robust centre and spread."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from latmodel.errors import MeasurementError
from latmodel.fields import Fields

__all__ = ["Measurement"]

_SIGMA_PER_MAD = 1.4826
"""Scales the median absolute deviation to one standard deviation of a normal distribution.

Source: Rousseeuw and Croux 1993, doi:10.1080/01621459.1993.10476408."""

_SIGMA_OF_MEDIAN = 1.2533
"""The median of n normal samples has sqrt(pi/2) times the standard error of their mean."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Raw timings at one token count; nothing is thrown away.

    Attributes:
        count: tokens, prefix included.
        samples_ns: shape (repeats,), each the latency of one call, in whole nanoseconds.

    Raises:
        MeasurementError: the count is not positive, there is no sample, or a sample is
            not positive.

    >>> probe = Measurement(64, (1000, 1010, 9000))
    >>> probe.centre_ns
    1010
    """

    count: int
    samples_ns: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.count < 1:
            raise MeasurementError(f"count is {self.count}: must be 1 or more")
        if not self.samples_ns:
            raise MeasurementError(f"no sample at {self.count} tokens")
        if min(self.samples_ns) <= 0:
            least = min(self.samples_ns)
            raise MeasurementError(
                f"a sample at {self.count} tokens is {least} ns: must be positive"
            )

    @classmethod
    def of(cls, count: int, reading: object) -> Measurement:
        """From what a `measure` callable gave: one latency or several, in ns.

        Raises:
            MeasurementError: a reading is not a positive finite number.
        """
        readings: list[Any] = [reading]
        if isinstance(reading, Iterable) and not isinstance(reading, (str, bytes)):
            readings = list(reading)
        try:
            samples = tuple(round(float(value)) for value in readings)
        except (TypeError, ValueError, OverflowError):
            raise MeasurementError(
                f"measure({count}) gave {reading!r}: allowed are positive numbers of ns"
            ) from None
        return cls(count, samples)

    @property
    def centre_ns(self) -> int:
        """The median: half of all slow outliers cannot move it beyond the fast half."""
        return round(median(self.samples_ns))

    @property
    def spread(self) -> float:
        """One robust standard deviation of a single sample, as a fraction of the centre."""
        centre = self.centre_ns
        deviations = [abs(sample - centre) for sample in self.samples_ns]
        return _SIGMA_PER_MAD * median(deviations) / centre

    @property
    def relative_error(self) -> float:
        """One standard deviation of the centre itself, as a fraction of it; 0 if unknown."""
        return _SIGMA_OF_MEDIAN * self.spread / math.sqrt(len(self.samples_ns))

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {"count": self.count, "samples_ns": list(self.samples_ns)}

    @classmethod
    def from_fields(cls, source: Fields) -> Measurement:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or not positive.
        """
        measurement = cls(
            source.integer("count", minimum=1), source.integers("samples_ns", minimum=1)
        )
        source.finish()
        return measurement
