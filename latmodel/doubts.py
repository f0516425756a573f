"""What must be known of timings that another tool took, before they are trusted."""

from __future__ import annotations

from latmodel.curve import Curve
from latmodel.readings import Readings
from latmodel.workload_curves import WorkloadCurves

__all__ = ["MOST_PERCENT", "doubts", "percent_above_whole"]

MOST_PERCENT = 10
"""A spread between repeats, and a distance of the parts' sum from the whole model, above
which there is a warning, in percent; as for a probed profile."""


def percent_above_whole(readings: Readings, curves: WorkloadCurves) -> float | None:
    """How far the sum of the parts lies above the whole model, in percent of it.

    Args:
        readings: what was timed.
        curves: what was made of it.

    Returns:
        Negative where the parts come to less; None where the whole model was not timed.
    """
    whole = readings.measurements("model")
    return 100 * (curves.table().dense_ns / whole[0].centre_ns - 1) if whole else None


def doubts(readings: Readings, curves: WorkloadCurves) -> tuple[str, ...]:
    """The warnings that a profile of these readings carries.

    Args:
        readings: what was timed; the block from 1 token to the full count.
        curves: what was made of it.
    """
    found = (
        _unlike_the_whole(readings, curves),
        _read_once(readings),
        _noisy(readings),
        _slower_half(readings),
    )
    return tuple(text for text in found if text)


def _unlike_the_whole(readings: Readings, curves: WorkloadCurves) -> str:
    percent = percent_above_whole(readings, curves)
    if percent is None:
        return (
            "the whole model was not timed, so nothing checks the sum of its parts: measure "
            f"model,{curves.workload.tokens} and import again"
        )
    if abs(percent) <= MOST_PERCENT:
        return ""
    cause = (
        "each part timed alone pays the tool's cost of a call, which the whole pays once"
        if percent > 0
        else "a block timed alone finds its weights in a cache, which the whole does not"
    )
    return (
        f"the parts come to {abs(percent):.0f} % {'more' if percent > 0 else 'less'} than the "
        f"whole model: {cause}, or the device's speed changed in between"
    )


def _read_once(readings: Readings) -> str:
    probes = readings.measurements("block")
    once = sum(len(probe.samples_ns) == 1 for probe in probes)
    if not once:
        return ""
    return (
        f"{once} of {len(probes)} counts of the block were read once: how far readings vary is "
        "unknown there; repeat them"
    )


def _noisy(readings: Readings) -> str:
    spreads = [
        (100 * probe.spread, part, probe.count)
        for part in ("block", "mlp", "cut", "ends")
        for probe in readings.measurements(part)
    ]
    noisy = [row for row in spreads if row[0] > MOST_PERCENT]
    if not noisy:
        return ""
    percent, part, count = max(noisy)
    return (
        f"{len(noisy)} of {len(spreads)} counts spread by more than {MOST_PERCENT} % between "
        f"repeats (worst {percent:.0f} % at {part},{count}): lock the clocks, cool the device, "
        "repeat"
    )


def _slower_half(readings: Readings) -> str:
    block = Curve(readings.measurements("block"))
    for half in readings.measurements("mlp"):
        if half.centre_ns > block.latency_ns(half.count):
            return (
                f"mlp,{half.count} is slower than the block that holds it: the MLP half is "
                "taken as the whole block there"
            )
    return ""
