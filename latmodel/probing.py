"""The loop: choose a count, measure it, look again, until the probes are spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import index
from random import Random

from latmodel.curve import MOST_PROBES, WIDEST, Curve
from latmodel.errors import MeasurementError
from latmodel.fitting import standard_errors
from latmodel.measurement import Measurement
from latmodel.planning import first_counts, next_count

__all__ = ["probe_curve"]

_QUICK = 0.02
"""The relative error with which a count's latency is good enough to choose the next by."""

_FEWEST = 3
"""Samples of which two agree where one is an outlier."""

_SURPRISE = 1.8
"""A reading this much slower than the slowest so far, or than the count next above it, is
read again even where readings have repeated exactly: steps between neighbours are less."""


def probe_curve(
    measure: Callable[[int], object],
    *,
    tokens: Iterable[int],
    max_probes: int = 24,
    target: float = 0.004,
    max_samples: int = 100,
    on_probe: Callable[[Measurement], None] | None = None,
) -> Curve:
    """Measure a latency curve at the few counts that tell most about all of them.

    A count is measured again as long as its samples do not agree: a few times while counts
    are chosen, then all in turn, in an order drawn anew each round, until each is known to
    `target`. If the full count reads the same twice, readings are taken to repeat, and
    only one that surprises is read again.

    Args:
        measure: called with a token count, returns one latency or a sequence of samples,
            in ns; any callable, so a recorded curve can be replayed.
        tokens: the counts of interest; the smallest and the largest are always probed.
        max_probes: distinct counts measured at most, 2 or more.
        target: the standard error of a count's latency that is good enough, as a fraction.
        max_samples: samples of one count at most; one call may give several.
        on_probe: called after each new count, for a progress bar or a log.

    Returns:
        The curve through the probes, from the smallest count of interest to the largest.

    Raises:
        MeasurementError: `tokens` is empty or holds a count below 1, `max_probes` is
            below 2, `max_samples` below 1, a curve cannot span so many tokens or hold so
            many probes, or `measure` gave something that is no latency.

    >>> curve = probe_curve(lambda n: 1000 * (1 + (n - 1) // 64), tokens=range(1, 198))
    >>> [edge.count for edge in curve.edges() if edge.located]
    [64, 128, 192]
    """
    # Counts from numpy become plain integers, which a file can hold.
    wanted = sorted({index(count) for count in tokens})
    if not wanted or wanted[0] < 1:
        raise MeasurementError("tokens must hold at least one count, and none below 1")
    if max_probes < min(2, len(wanted)):
        raise MeasurementError(f"max_probes is {max_probes}: must be 2 or more")
    if max_samples < 1:
        raise MeasurementError(f"max_samples is {max_samples}: must be 1 or more")
    if wanted[-1] - wanted[0] >= WIDEST or min(max_probes, len(wanted)) > MOST_PROBES:
        raise MeasurementError(
            f"{len(wanted)} tokens from {wanted[0]} to {wanted[-1]} with max_probes "
            f"{max_probes}: a curve spans fewer than {WIDEST} tokens and holds at most "
            f"{MOST_PROBES} probes"
        )
    readings = _Readings(measure, max_samples)
    first = list(first_counts(wanted, max_probes))
    if max_probes >= len(wanted):  # nothing to choose
        first += [count for count in wanted if count not in set(first)]
    while len(readings.samples) < min(max_probes, len(wanted)):
        following = first.pop(0) if first else _next(wanted, readings, max_probes)
        probe = readings.choose_by(following)
        if on_probe is not None:
            on_probe(probe)
    readings.refine(target)
    return Curve(readings.probes)


def _next(wanted: list[int], readings: _Readings, max_probes: int) -> int:
    following = next_count(wanted, readings.probes, max_probes)
    assert following is not None  # noqa: S101 (a count is left: the loop asked)
    return following


class _Readings:
    """The samples of every count so far, and the rules by which one is read again."""

    def __init__(self, measure: Callable[[int], object], max_samples: int) -> None:
        self._measure = measure
        self._max_samples = max_samples
        self._repeating: bool | None = None  # not known before the first count
        self.samples: dict[int, tuple[int, ...]] = {}

    @property
    def probes(self) -> tuple[Measurement, ...]:
        return tuple(Measurement(count, self.samples[count]) for count in sorted(self.samples))

    def _read(self, count: int) -> tuple[int, ...]:
        taken = Measurement.of(count, self._measure(count)).samples_ns
        self.samples[count] = self.samples.get(count, ()) + taken
        return taken

    def choose_by(self, count: int) -> Measurement:
        """Read a new count well enough to choose the next one."""
        taken = self._read(count)
        if self._repeating is None or (self._repeating and self._surprises(count)):
            self._repeating = self._repeats(count, taken)
        while count in self._open(_QUICK):
            self._read(count)
        return Measurement(count, self.samples[count])

    def _repeats(self, count: int, taken: tuple[int, ...]) -> bool:
        """Whether a second call gives the same, as a recorded curve does; that is no news."""
        if len(taken) >= self._max_samples:
            return False
        repeats = self._read(count) == taken
        if repeats:
            self.samples[count] = taken
        return repeats

    def _surprises(self, count: int) -> bool:
        others = [probe for probe in self.probes if probe.count != count]
        slowest = max(probe.centre_ns for probe in others)
        above = [probe.centre_ns for probe in others if probe.count > count]
        expected = min([slowest, *above[:1]])
        return Measurement(count, self.samples[count]).centre_ns > _SURPRISE * expected

    def _open(self, target: float) -> list[int]:
        """The counts not yet known to `target`, as the usual spread of all tells it."""
        if self._repeating:
            return []
        probes = self.probes
        return [
            probe.count
            for probe, error in zip(probes, standard_errors(probes), strict=True)
            if (error > target or len(probe.steady_ns) < _FEWEST)
            and len(probe.samples_ns) < self._max_samples
        ]

    def refine(self, target: float) -> None:
        """Read every count in turn until each is known to `target`."""
        order = Random(0)  # noqa: S311 (an order, no secret)
        while open_counts := self._open(target):
            order.shuffle(open_counts)
            for count in open_counts:
                self._read(count)
