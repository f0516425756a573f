"""Latency over token count, as probed: steps, slopes, dips, floor, and how sure we are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from latmodel.errors import FieldError, LatmodelError, MeasurementError
from latmodel.explaining import likely_cause
from latmodel.fields import Fields
from latmodel.fitting import Fit, fit
from latmodel.gaps import Floats
from latmodel.measurement import Measurement
from latmodel.workload import Workload

__all__ = ["MOST_PROBES", "WIDEST", "Curve", "Edge"]

WIDEST = 200_000
"""Counts that a curve may span: twice the tokens that a workload may have."""

MOST_PROBES = 4096
"""Probes that a curve may hold: every gap is judged by every other, so that a file with ten
times as many would take gigabytes."""

_TRUSTED = 0.03
"""A relative error above which a count that was not measured is not to be relied on: an
error of 3 % in one of twelve blocks is a quarter of a per cent of the model."""


_FLAT, _FLOOR = 0.02, 8
"""Latency that differs by less than the first over so many counts is a floor."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A step between two neighbouring counts.

    Attributes:
        count: the last count before the step: `count + 1` tokens cost `size` more.
        size: the step's height as a fraction of the latency before it; negative where
            one more token is cheaper.
        located: whether both neighbours were measured, so that the place is exact.
        cause: the most likely one, in words.
    """

    count: int
    size: float
    located: bool
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A device's latency at every token count, from a few that were measured.

    At a probe the curve is what was read, less noise. Between probes it is `latmodel.fitting`'s
    expectation: a slope, and a step where one is likely. Nothing forces it to rise or to be
    smooth, because real ones do neither. Outside the probes there is no curve.

    Attributes:
        probes: at least one, ascending in count, no count twice.

    Raises:
        MeasurementError: there is no probe or more than 4096, counts do not ascend, or they
            span 200,000 tokens or more.

    >>> readings = {1: 100, 32: 100, 64: 100, 65: 130, 128: 130}
    >>> curve = Curve(tuple(Measurement(n, (ns,)) for n, ns in readings.items()))
    >>> curve.latency_ns([48, 64, 65]).round().tolist()
    [100.0, 100.0, 130.0]
    >>> curve.edges()
    (Edge(count=64, size=0.3, located=True, cause='tile of 64 rows'),)
    """

    probes: tuple[Measurement, ...]
    _fit: Fit | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.probes:
            raise MeasurementError("a curve needs at least one probe")
        for before, after in pairwise(self.counts):
            if after <= before:
                raise MeasurementError(
                    f"probe counts must ascend: {after} stands after {before}"
                )
        if len(self.probes) > MOST_PROBES:
            raise MeasurementError(
                f"{len(self.probes)} probes: must be at most {MOST_PROBES}; leave some out"
            )
        if self.counts[-1] - self.counts[0] >= WIDEST:
            raise MeasurementError(
                f"probes span {self.counts[0]} to {self.counts[-1]} tokens: must be fewer than "
                f"{WIDEST}"
            )
        object.__setattr__(self, "_fit", fit(self.probes) if len(self.probes) > 1 else None)

    @property
    def counts(self) -> tuple[int, ...]:
        """The counts that were measured; shape (P,)."""
        return tuple(probe.count for probe in self.probes)

    def _every(self) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
        """All counts, their latency and one standard deviation of it, in ns."""
        if self._fit is not None:
            return self._fit.counts, self._fit.latency_ns, self._fit.deviation_ns
        (only,) = self.probes
        centre = np.array([only.centre_ns], dtype=np.float64)
        return np.array([only.count]), centre, centre * only.relative_error

    def _asked(self, counts: npt.ArrayLike) -> Floats:
        asked = np.asarray(counts, dtype=np.float64)
        low, high = self.probes[0].count, self.probes[-1].count
        if asked.size and not (asked.min() >= low and asked.max() <= high):  # nor NaN
            raise LatmodelError(
                f"the curve was probed from {low} to {high} tokens; asked for "
                f"{asked.min():g} to {asked.max():g}"
            )
        return asked

    def latency_ns(self, counts: npt.ArrayLike) -> Floats:
        """The latency expected at each count, in ns; any shape in, the same out.

        Where a count was not measured and its surroundings are uncertain, it is quoted a
        little on the safe side, so that a solver has no gain from what is not known.

        Raises:
            LatmodelError: a count lies outside the probed range.
        """
        asked = self._asked(counts)
        every, latency, _ = self._every()
        answer: Floats = np.interp(asked, every, latency)
        return answer

    def relative_error(self, counts: npt.ArrayLike) -> Floats:
        """One standard deviation of the expected latency, as a fraction of it.

        At a probe it is the standard error of the probe. Between probes it grows to what a
        step or another kernel hidden there could change.

        Raises:
            LatmodelError: a count lies outside the probed range.
        """
        asked = self._asked(counts)
        every, latency, deviation = self._every()
        answer: Floats = np.interp(asked, every, deviation / latency)
        return answer

    def error_groups(self, counts: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Which counts share the error that `relative_error` states; a number for each.

        A probe has its reading's to itself. All counts between the same two probes share
        theirs: where a hidden step lies, or which kernel runs, moves them together. (That
        the ends of a gap enter into it, by their readings' noise, is left out: it is far
        less than what a gap may hide, or the probe would be read again.)

        Raises:
            LatmodelError: a count lies outside the probed range.

        >>> curve = Curve(tuple(Measurement(n, (100,)) for n in (1, 4, 8)))
        >>> curve.error_groups([1, 2, 3, 4, 5]).tolist()
        [1, 2, 2, 3, 4]
        """
        asked = self._asked(counts)
        below = np.searchsorted(self.counts, asked, side="left")
        groups: npt.NDArray[np.int64] = below + np.searchsorted(
            self.counts, asked, side="right"
        )
        return groups.astype(np.int64)

    def upper_ns(self, counts: npt.ArrayLike, confidence: float = 0.95) -> Floats:
        """A latency that a count is meant to stay below with probability `confidence`, in ns.

        Over the curves of `benchmarks/probing.py` 95 of 100 counts stay below the default;
        where kernels alternate unseen, fewer do.

        Raises:
            LatmodelError: a count lies outside the probed range, or `confidence` is not
                between 0 and 1.
        """
        if not 0 < confidence < 1:
            raise LatmodelError(f"confidence is {confidence}: must be between 0 and 1")
        sigmas = NormalDist().inv_cdf(confidence)
        upper: Floats = self.latency_ns(counts) * np.exp(sigmas * self.relative_error(counts))
        return upper

    def edges(
        self,
        threshold: float = 0.05,
        *,
        workload: Workload | None = None,
        processors: int | None = None,
        mlps: Curve | None = None,
    ) -> tuple[Edge, ...]:
        """The steps between neighbouring counts of at least `threshold`, up or down.

        Args:
            threshold: height as a fraction of the latency before the step, above 0. The
                default is below the 9 % that two stacks differ by on one GPU at the 90th
                percentile, so look at `located` and at the probe's spread as well.
            workload: the shapes that ran, for a better guess at the cause.
            processors: the GPU's streaming multiprocessors, for the same.
            mlps: the part of the latency that the MLP halves take, for the same.

        Raises:
            LatmodelError: `threshold` is not above 0.
        """
        if not threshold > 0:  # nor NaN
            raise LatmodelError(f"threshold is {threshold}: must be above 0")
        every, latency, _ = self._every()
        sizes = np.diff(latency) / latency[:-1]
        probed = set(self.counts)
        floor = self._floor_end()
        found = []
        for place in np.flatnonzero(np.abs(sizes) >= threshold).tolist():
            count, size = int(every[place]), float(sizes[place])
            cause = likely_cause(
                count,
                size,
                alternating=self._alternates(count),
                flat_before=place == floor,
                workload=workload,
                processors=processors,
                mlp_share=None if mlps is None else self._share(mlps, count),
            )
            found.append(Edge(count, round(size, 6), {count, count + 1} <= probed, cause))
        return tuple(found)

    def _alternates(self, count: int) -> bool:
        zones = () if self._fit is None else self._fit.rough.zones
        return any(first < count < last for first, last, _ in zones)

    def _floor_end(self) -> int:
        """The place of the last count of a flat start; -1 where it starts with no floor."""
        _, latency, _ = self._every()
        uneven = np.abs(latency - latency[0]) > _FLAT * latency[0]
        end = int(uneven.argmax()) - 1 if uneven.any() else -1
        return end if end >= _FLOOR else -1

    def _share(self, mlps: Curve, count: int) -> float | None:
        """How much of the step after `count` another curve makes; None if it cannot tell."""
        if not {count, count + 1} <= set(mlps.counts):
            return None
        whole, part = (np.diff(c.latency_ns([count, count + 1]))[0] for c in (self, mlps))
        return float(np.clip(part / whole, 0.0, 1.0)) if whole else None

    def free_tokens(self, count: int, *, tolerance: float = 0.005) -> int:
        """How many more tokens than `count` cost no more than it does.

        The furthest such count decides, whatever lies between: where latency falls, more
        tokens may be cheaper.

        Args:
            count: tokens, within the probed range.
            tolerance: what passes for no more, as a fraction, 0 or more.

        Raises:
            LatmodelError: the count lies outside the probed range, or `tolerance` is
                negative.
        """
        if not tolerance >= 0:  # nor NaN
            raise LatmodelError(f"tolerance is {tolerance}: must be 0 or more")
        here = float(self.latency_ns(count))
        every, latency, _ = self._every()
        return int(every[latency <= here * (1 + tolerance)].max()) - count

    def untrusted(self, within: float = _TRUSTED) -> tuple[tuple[int, int], ...]:
        """Where only measured counts can be trusted: (first, last) of each stretch.

        Args:
            within: the relative error that still is trusted.
        """
        every, latency, deviation = self._every()
        probed = np.isin(every, self.counts)
        doubtful = (deviation > within * latency) & ~probed
        stretches: list[tuple[int, int]] = []
        for place in np.flatnonzero(doubtful):
            count = int(every[place])
            if stretches and probed[every.searchsorted(stretches[-1][1]) + 1 : place].all():
                stretches[-1] = (stretches[-1][0], count)
            else:
                stretches.append((count, count))
        return tuple(stretches)

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
