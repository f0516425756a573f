"""One probe: the raw timings of one token count, and their robust centre and spread."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from latmodel.errors import FieldError, MeasurementError
from latmodel.fields import Fields

__all__ = ["SIGMA_OF_MEDIAN", "Measurement"]

_SIGMA_PER_MAD = 1.4826
"""Scales the median absolute deviation to one standard deviation of a normal distribution.

Source: Rousseeuw and Croux 1993, doi:10.1080/01621459.1993.10476408."""

_INTERRUPTED = 1.5
"""A call slower than the fastest by this factor was interrupted, not slow.

Source: on a 2-core machine with one core taken by another process, PyTorch's thread pool
waits for the thread that lost its core, and calls take 5 to 15 times as long; undisturbed,
they stay within 20 % of each other."""

SIGMA_OF_MEDIAN = 1.2533
"""The median of n normal samples has sqrt(pi/2) times the standard error of their mean."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Raw timings at one token count; nothing is thrown away.

    Calls that something else interrupted stay in the record, but not in the estimate.

    Attributes:
        count: tokens, prefix included.
        samples_ns: shape (repeats,), each the latency of one call, in whole nanoseconds.
        speeds: shape (repeats,), how fast the machine was during each call, as a fraction
            of its usual speed; 0 where that was not known, and then the sample is in the
            record only. Empty where all calls ran at the usual speed.

    Raises:
        MeasurementError: the count is not positive, there is no sample, a sample is not
            positive, or the speeds are not as many as the samples, negative, or all 0.

    >>> probe = Measurement(64, (1000, 1010, 9000))
    >>> probe.centre_ns
    1005
    >>> Measurement(64, (1000, 1250, 1700), speeds=(1.0, 0.8, 0.0)).centre_ns
    1000
    """

    count: int
    samples_ns: tuple[int, ...]
    speeds: tuple[float, ...] = ()

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
        if self.speeds:
            self._require_speeds()

    def _require_speeds(self) -> None:
        if len(self.speeds) != len(self.samples_ns):
            raise MeasurementError(
                f"{len(self.speeds)} speeds for {len(self.samples_ns)} samples at "
                f"{self.count} tokens: must be one for each"
            )
        if not all(0 <= speed < math.inf for speed in self.speeds):  # nor NaN
            raise MeasurementError(
                f"a speed at {self.count} tokens is negative or no number: must be 0 or more"
            )
        if not any(self.speeds):
            raise MeasurementError(
                f"every speed at {self.count} tokens is 0: one sample at least must count"
            )

    @classmethod
    def of(cls, count: int, reading: object) -> Measurement:
        """From what a `measure` callable gave: one latency or several, in ns.

        Raises:
            MeasurementError: a reading is not a positive finite number.
        """
        # numpy tells numbers from text, nothing and ragged lists by the type it would need.
        try:
            readings = np.asarray(list(reading) if isinstance(reading, Iterator) else reading)
        except (TypeError, ValueError, RuntimeError):  # the last two are torch's
            readings = np.asarray(None)
        if readings.dtype.kind not in "iuf" or readings.ndim > 1 or not _finite(readings):
            raise MeasurementError(
                f"measure({count}) gave {reading!r}: allowed are positive numbers of ns"
            )
        return cls(count, tuple(round(float(value)) for value in readings.ravel()))

    @property
    def corrected_ns(self) -> tuple[int, ...]:
        """What each call would have taken at the usual speed; those of speed 0 left out."""
        if not self.speeds:
            return self.samples_ns
        pairs = zip(self.samples_ns, self.speeds, strict=True)
        return tuple(max(round(sample * speed), 1) for sample, speed in pairs if speed)

    @property
    def steady_ns(self) -> tuple[int, ...]:
        """The corrected latency of calls that ran undisturbed, in the order they were made.

        They lie between the fastest that is no oddity, which means that a third of all
        calls (two, where there are three or more) are within half as much again, and half
        as much again. All calls, where not so many agree.
        """
        taken = self.corrected_ns
        support = 1 if len(taken) < 3 else max(2, len(taken) // 3)
        for fastest in sorted(taken):
            limit = _INTERRUPTED * fastest
            steady = tuple(s for s in taken if fastest <= s <= limit)
            if len(steady) >= support:
                return steady
        return taken

    @property
    def centre_ns(self) -> int:
        """The median of the steady samples, at the machine's usual speed."""
        return round(median(self.steady_ns))

    @property
    def spread(self) -> float:
        """One robust standard deviation of a steady sample, as a fraction of the centre."""
        centre = self.centre_ns
        deviations = [abs(sample - centre) for sample in self.steady_ns]
        return _SIGMA_PER_MAD * median(deviations) / centre

    @property
    def relative_error(self) -> float:
        """One standard deviation of the centre itself, as a fraction of it; 0 if unknown."""
        return SIGMA_OF_MEDIAN * self.spread / math.sqrt(len(self.steady_ns))

    def to_dict(self) -> dict[str, object]:
        """As plain values; no speeds where all calls ran at the usual speed."""
        values: dict[str, object] = {"count": self.count, "samples_ns": list(self.samples_ns)}
        return {**values, "speeds": list(self.speeds)} if self.speeds else values

    @classmethod
    def from_fields(cls, source: Fields) -> Measurement:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or not positive.
        """
        count = source.integer("count", minimum=1)
        samples = source.integers("samples_ns", minimum=1)
        known = source.has("speeds")
        speeds = source.numbers("speeds", minimum=0) if known else ()
        source.finish()
        try:
            return cls(count, samples, speeds)
        except MeasurementError as error:
            name = "speeds" if samples else "samples_ns"
            raise FieldError(f"{source.path(name)}: {error}") from None


def _finite(readings: npt.NDArray[Any]) -> bool:
    return bool(np.isfinite(readings).all())
