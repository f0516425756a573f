"""What a profile warns of: a machine that was noisy, disturbed, or drifted while timed."""

from __future__ import annotations

from latmodel.measurement import Measurement
from latmodel.workload_curves import WorkloadCurves

__all__ = ["cautions"]

_NOISY = 0.10
"""A spread between repeats above which the profile warns; two stacks on one GPU differ by
8.5 % at the 90th percentile (aiconfigurator's H200 tables, commit 095f58a)."""

_MANY = 0.2
"""A share of interrupted calls above which the profile warns."""

_DRIFTED = 0.15
"""A change of the machine's speed above which the profile warns: parts that do not slow
down alike are corrected by a part of this only approximately."""

_LOST = 0.05
"""A share of readings at an unknown speed above which the profile warns."""


def cautions(
    curves: WorkloadCurves, error: float, *, blind: int = 0, unasked: int = 0
) -> tuple[str, ...]:
    """Warnings, one sentence each; none where all was quiet.

    Args:
        curves: what was measured.
        error: how far the sum of the parts is from the whole model, as a fraction of it.
        blind: counts never read while the machine's speed was known.
        unasked: readings of an interrupted probe that were of no use to the one that went
            on with it.
    """
    probes = (*curves.blocks.probes, *curves.mlps.probes, *curves.cut.probes)
    return (
        *(_interrupted(curves.blocks.probes) or _spread(curves.blocks.probes)),
        *_drifted(probes),
        *_lost(probes),
        *_blind(blind),
        *_unasked(unasked),
        *_inconsistent(error),
    )


def _interrupted(probes: tuple[Measurement, ...]) -> tuple[str, ...]:
    taken = sum(len(probe.corrected_ns) for probe in probes)
    left_out = taken - sum(len(probe.steady_ns) for probe in probes)
    if left_out <= _MANY * taken:
        return ()
    advice = (
        f"{left_out} of {taken} calls took over half as long again as the fastest and were "
        "left out: another program took the processor, or the device throttles"
    )
    return (advice,)


def _spread(probes: tuple[Measurement, ...]) -> tuple[str, ...]:
    noisy = [probe for probe in probes if probe.spread > _NOISY]
    if not noisy:
        return ()
    worst = max(noisy, key=lambda probe: probe.spread)
    advice = (
        f"{len(noisy)} of {len(probes)} probes spread by more than "
        f"{_NOISY:.0%} (worst {worst.spread:.0%} at {worst.count} tokens): close other "
        "programs, lock the clocks and probe again"
    )
    return (advice,)


def _drifted(probes: tuple[Measurement, ...]) -> tuple[str, ...]:
    speeds = [speed for probe in probes for speed in probe.speeds if speed]
    if not speeds or max(speeds) <= (1 + _DRIFTED) * min(speeds):
        return ()
    advice = (
        f"the machine's speed moved between {min(speeds):.0%} and {max(speeds):.0%} of its "
        "usual one while it was timed; readings are corrected for it, but parts may not slow "
        "down alike: lock the clocks, let the device cool and probe again"
    )
    return (advice,)


def _lost(probes: tuple[Measurement, ...]) -> tuple[str, ...]:
    taken = sum(len(probe.samples_ns) for probe in probes)
    lost = sum(speed == 0 for probe in probes for speed in probe.speeds)
    if lost <= _LOST * taken:
        return ()
    advice = (
        f"{lost} of {taken} readings were taken while the machine's speed jumped or was far "
        "from its usual one, and were left out: close other programs, or let the device cool"
    )
    return (advice,)


def _blind(blind: int) -> tuple[str, ...]:
    if not blind:
        return ()
    advice = (
        f"{blind} counts were never read while the machine's speed was known, and are as they "
        "were read: probe again when the machine is quiet"
    )
    return (advice,)


def _unasked(unasked: int) -> tuple[str, ...]:
    if not unasked:
        return ()
    advice = (
        f"{unasked} readings of the interrupted probe are left out, because other counts were "
        "chosen this time: the package changed in between; probe again into a new file"
    )
    return (advice,)


def _inconsistent(error: float) -> tuple[str, ...]:
    if error <= _NOISY:
        return ()
    advice = (
        f"the parts come to {error:.0%} more or less than the whole model: the machine's speed "
        "changed while it was timed; close other programs and probe again"
    )
    return (advice,)
