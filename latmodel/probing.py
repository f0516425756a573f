"""The loop: choose a count, measure it, look again, until the probes are spent."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from operator import index

from latmodel.curve import Curve
from latmodel.errors import MeasurementError
from latmodel.measurement import Measurement
from latmodel.planning import first_counts, next_count

__all__ = ["probe_curve"]


def probe_curve(
    measure: Callable[[int], object],
    *,
    tokens: Iterable[int],
    max_probes: int = 24,
    on_probe: Callable[[Measurement], None] | None = None,
) -> Curve:
    """Measure a latency curve at the few counts that tell most about all of them.

    Args:
        measure: called with a token count, returns one latency or a sequence of samples,
            in ns; any callable, so a recorded curve can be replayed.
        tokens: the counts of interest; the smallest and the largest are always probed.
        max_probes: distinct counts measured at most, 2 or more.
        on_probe: called after each probe, for a progress bar or a log.

    Returns:
        The curve through the probes, from the smallest count of interest to the largest.

    Raises:
        MeasurementError: `tokens` is empty or holds a count below 1, `max_probes` is
            below 2, or `measure` gave something that is no latency.

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
    probes: list[Measurement] = []

    def probe(count: int) -> None:
        measured = Measurement.of(count, measure(count))
        insort(probes, measured, key=lambda p: p.count)
        if on_probe is not None:
            on_probe(measured)

    for count in first_counts(wanted, max_probes):
        probe(count)
    while len(probes) < min(max_probes, len(wanted)):
        following = next_count(wanted, probes)
        if following is None:
            break
        probe(following)
    return Curve(tuple(probes))
