"""Latency over token count, as probed: steps, slopes, dips, floor, and how sure we are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from latmodel.errors import FieldError, LatmodelError, MeasurementError
from latmodel.fields import Fields
from latmodel.measurement import Measurement

__all__ = ["Curve", "Edge"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Edge:
    """A step between two neighbouring counts.

    Attributes:
        count: the last count before the step: `count + 1` tokens cost `size` more.
        size: the step's height as a fraction of the latency before it; negative where
            one more token is cheaper.
        located: whether both neighbours were measured, so that the place is exact.
    """

    count: int
    size: float
    located: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """A device's latency at every token count, from a few that were measured.

    Between two probes the curve is a straight line in the count; two probes next to each
    other make a step of it. Nothing forces it to rise or to be smooth, because real ones
    do neither. Outside the probes there is no curve.

    Attributes:
        probes: at least one, ascending in count, no count twice.

    Raises:
        MeasurementError: there is no probe, or counts do not ascend.

    >>> readings = {1: 100, 64: 100, 65: 130}
    >>> curve = Curve(tuple(Measurement(n, (ns,)) for n, ns in readings.items()))
    >>> curve.latency_ns([32, 64, 65]).tolist()
    [100.0, 100.0, 130.0]
    >>> curve.edges()
    (Edge(count=64, size=0.3, located=True),)
    """

    probes: tuple[Measurement, ...]

    def __post_init__(self) -> None:
        if not self.probes:
            raise MeasurementError("a curve needs at least one probe")
        counts = [probe.count for probe in self.probes]
        for before, after in zip(counts, counts[1:]):  # noqa: B905, RUF007 (one shorter)
            if after <= before:
                raise MeasurementError(
                    f"probe counts must ascend: {after} stands after {before}"
                )

    @property
    def counts(self) -> tuple[int, ...]:
        """The counts that were measured; shape (P,)."""
        return tuple(probe.count for probe in self.probes)

    @property
    def _centres(self) -> _Floats:
        return np.array([probe.centre_ns for probe in self.probes], dtype=np.float64)

    def _asked(self, counts: npt.ArrayLike) -> _Floats:
        asked = np.asarray(counts, dtype=np.float64)
        low, high = self.probes[0].count, self.probes[-1].count
        if asked.size and not (asked.min() >= low and asked.max() <= high):  # nor NaN
            raise LatmodelError(
                f"the curve was probed from {low} to {high} tokens; asked for "
                f"{asked.min():g} to {asked.max():g}"
            )
        return asked

    def latency_ns(self, counts: npt.ArrayLike) -> _Floats:
        """The latency expected at each count, in ns; any shape in, the same out.

        Raises:
            LatmodelError: a count lies outside the probed range.
        """
        asked = self._asked(counts)
        line: _Floats = np.interp(asked, np.array(self.counts, dtype=np.float64), self._centres)
        return line

    def relative_error(self, counts: npt.ArrayLike) -> _Floats:
        """One standard deviation of the expected latency, as a fraction of it.

        At a probe it is the standard error of the probe. Between probes it grows to what
        a step hidden there could hide: a quarter of the rise from one probe to the next
        (the line is wrong by at most half of a single step, uniformly), most in the
        middle, plus how far the inner probes lie from the lines past them.

        Raises:
            LatmodelError: a count lies outside the probed range.
        """
        asked = self._asked(counts)
        places = np.array(self.counts, dtype=np.float64)
        centres = self._centres
        noise = np.array([probe.relative_error for probe in self.probes])
        right = np.clip(np.searchsorted(places, asked), 1, max(len(places) - 1, 1))
        if len(places) == 1:
            return np.full(asked.shape, noise[0])
        left = right - 1
        share = (asked - places[left]) / (places[right] - places[left])
        bump = 4 * share * (1 - share)
        rise = np.abs(np.log(centres[right] / centres[left]))
        hidden = bump * (0.25 * rise + self._roughness())
        at_probe = np.interp(asked, places, noise)
        total: _Floats = np.sqrt(at_probe**2 + hidden**2)
        return total

    def _roughness(self) -> float:
        """The median distance of an inner probe from the line between its neighbours."""
        places, logs = np.array(self.counts, dtype=np.float64), np.log(self._centres)
        if len(places) < 3:
            return 0.0
        share = (places[1:-1] - places[:-2]) / (places[2:] - places[:-2])
        line = logs[:-2] + share * (logs[2:] - logs[:-2])
        return float(np.median(np.abs(logs[1:-1] - line)))

    def upper_ns(self, counts: npt.ArrayLike, confidence: float = 0.95) -> _Floats:
        """A latency that each count stays below with probability `confidence`, in ns.

        Raises:
            LatmodelError: a count lies outside the probed range, or `confidence` is not
                between 0 and 1.
        """
        if not 0 < confidence < 1:
            raise LatmodelError(f"confidence is {confidence}: must be between 0 and 1")
        sigmas = NormalDist().inv_cdf(confidence)
        upper: _Floats = self.latency_ns(counts) * np.exp(sigmas * self.relative_error(counts))
        return upper

    def edges(self, threshold: float = 0.05) -> tuple[Edge, ...]:
        """The steps between neighbouring counts of at least `threshold`, up or down.

        Args:
            threshold: height as a fraction of the latency before the step. The default
                is below the 9 % that two stacks differ by on one GPU at the 90th
                percentile, so look at `located` and at the probe's spread as well.
        """
        counts = np.arange(self.probes[0].count, self.probes[-1].count + 1)
        line = self.latency_ns(counts)
        sizes = np.diff(line) / line[:-1]
        probed = set(self.counts)
        return tuple(
            Edge(int(count), round(float(size), 6), {int(count), int(count) + 1} <= probed)
            for count, size in zip(counts[:-1], sizes, strict=True)
            if abs(size) >= threshold
        )

    def to_list(self) -> list[dict[str, object]]:
        """As plain values: the probes."""
        return [probe.to_dict() for probe in self.probes]

    @classmethod
    def from_fields(cls, source: Fields, name: str) -> Curve:
        """Read the list of probes that stands in field `name`; the inverse of `to_list`.

        Raises:
            FieldError: a probe is malformed, the list is empty, or counts do not ascend.
        """
        probes: Iterable[Measurement] = source.each(name, Measurement.from_fields)
        try:
            return cls(tuple(probes))
        except MeasurementError as error:
            raise FieldError(f"{source.path(name)}: {error}") from None
