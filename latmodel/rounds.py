"""What to measure next on a board that is measured by hand: whole rounds of counts."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from latmodel.curve import Curve
from latmodel.errors import MeasurementError
from latmodel.measurement import Measurement
from latmodel.parts import CUT_PROBES, MLP_PROBES
from latmodel.planning import first_counts, next_count
from latmodel.readings import Readings

__all__ = ["next_counts", "next_rows", "probes_of"]


def probes_of(full: int, max_probes: int) -> dict[str, int]:
    """How many counts of each part are measured in all.

    Args:
        full: the model's full token count.
        max_probes: counts of the block, at most.

    >>> probes_of(197, 24)
    {'block': 24, 'mlp': 8, 'cut': 4, 'ends': 1, 'model': 1}
    """
    most = min(max_probes, full)
    return {
        "block": most,
        "mlp": min(MLP_PROBES, most),
        "cut": min(CUT_PROBES, most),
        "ends": 1,
        "model": 1,
    }


def next_counts(
    tokens: Sequence[int], probes: Sequence[Measurement], size: int, *, max_probes: int
) -> tuple[int, ...]:
    """The counts to measure next, several at once.

    `planning.next_count` gives one count and wants its latency before the next. Here each
    chosen count is taken as measured at what the curve through the probes predicts, so that
    the next goes elsewhere.

    Args:
        tokens: the counts of interest, ascending.
        probes: at least two, ascending in count, from the smallest count to the largest.
        size: counts at most.
        max_probes: counts in all at most, those of `probes` included.

    Returns:
        Counts out of `tokens` not yet probed, the most telling first; fewer than `size`
        where fewer are left.

    Raises:
        MeasurementError: there are fewer than two probes.

    >>> probes = [Measurement(n, (ns,)) for n, ns in {1: 100, 64: 100, 65: 200}.items()]
    >>> len(set(next_counts(range(1, 66), probes, 3, max_probes=24)) - {1, 64, 65})
    3
    """
    if len(probes) < 2:
        raise MeasurementError(f"{len(probes)} probes: at least two are needed to go on from")
    curve, assumed = Curve(tuple(probes)), list(probes)
    chosen: list[int] = []
    while len(chosen) < size and len(assumed) < max_probes:
        count = next_count(tokens, assumed, max_probes)
        if count is None:
            break
        predicted = Measurement.of(count, float(curve.latency_ns(count)))
        insort(assumed, predicted, key=lambda probe: probe.count)
        chosen.append(count)
    return tuple(chosen)


def next_rows(
    full: int, readings: Readings, *, max_probes: int = 24, round_size: int = 6
) -> tuple[tuple[str, int], ...]:
    """Part and count of every row of the next round; nothing where all is measured.

    The first round holds the counts that tell most before anything is known, both ends of
    the range among them. Each round after it holds those that the readings so far leave
    most in doubt. What was asked for and not measured is planned anew.

    Args:
        full: the model's full token count.
        readings: what is measured so far.
        max_probes: counts of the block in all, 2 or more; MLP half and cut get fewer.
        round_size: counts of each part in each round after the first, 1 or more.

    Raises:
        MeasurementError: `max_probes` or `round_size` is out of range.

    >>> {("block", 1), ("block", 197), ("ends", 197)} <= set(next_rows(197, Readings(())))
    True
    """
    if max_probes < 2:
        raise MeasurementError(f"max_probes is {max_probes}: must be 2 or more")
    if round_size < 1:
        raise MeasurementError(f"round_size is {round_size}: must be 1 or more")
    rows: list[tuple[str, int]] = []
    for part, most in probes_of(full, max_probes).items():
        probes = readings.measurements(part)
        if part in ("ends", "model"):
            counts: tuple[int, ...] = () if probes else (full,)
        else:
            counts = _counts(range(1, full + 1), probes, most, round_size)
        rows += [(part, count) for count in counts]
    return tuple(rows)


def _counts(
    tokens: Sequence[int], probes: Sequence[Measurement], most: int, round_size: int
) -> tuple[int, ...]:
    measured = {probe.count for probe in probes}
    left = most - len(measured)
    # A curve spans the whole range, so its two ends are asked for whatever else is there.
    ends = tuple(c for c in dict.fromkeys((tokens[0], tokens[-1])) if c not in measured)
    first = tuple(c for c in first_counts(tokens, most) if c not in {*measured, *ends})
    opening = (*ends, *first[: max(left - len(ends), 0)])
    if opening:
        return opening
    return next_counts(tokens, probes, round_size, max_probes=most) if left > 0 else ()
