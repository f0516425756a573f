"""Measure one workload on this machine and make a device profile of it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from latmodel.curve import Curve
from latmodel.environment import Environment
from latmodel.errors import MeasurementError
from latmodel.measurement import Measurement
from latmodel.probing import probe_curve
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = ["PartTimer", "probe_count", "probe_profile"]

_MLP_PROBES = 8
_CUT_PROBES = 4
"""The MLP half enters the table only once and a cut is small, so few probes serve them."""

_QUICK = 3
_ROUNDS = 15
"""Samples to choose a count by, and samples to know its latency by."""

_NOISY = 0.10
"""A spread between repeats above which the profile warns; two stacks on one GPU differ by
8.5 % at the 90th percentile (aiconfigurator's H200 tables, commit 095f58a)."""


_MANY = 0.2
"""A share of interrupted calls above which the profile warns."""


class _Part(Protocol):
    """Times one part at one count."""

    def __call__(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """So many samples, in ns."""
        ...


class PartTimer(Protocol):
    """What a runtime offers: `repeats` samples of each part's latency, in ns."""

    workload: Workload

    def blocks_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """All blocks in sequence on `count` tokens."""
        ...

    def mlps_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """The MLP halves of all blocks in sequence on `count` tokens."""
        ...

    def cut_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """One cut from the full count to `count`."""
        ...

    def ends_ns(self, *, repeats: int) -> tuple[int, ...]:
        """Embedding, last norm and head."""
        ...

    def model_ns(self, *, repeats: int) -> tuple[int, ...]:
        """The whole unpruned model."""
        ...

    def environment(self) -> Environment:
        """What the timings depend on."""
        ...


def probe_count(max_probes: int, rounds: int = _ROUNDS) -> int:
    """How often `on_probe` of `probe_profile` is called at most, for a progress bar."""
    return max_probes + _MLP_PROBES + _CUT_PROBES + rounds


def probe_profile(
    timer: PartTimer,
    *,
    name: str,
    max_probes: int = 24,
    rounds: int = _ROUNDS,
    on_probe: Callable[[str], None] = lambda _: None,
) -> DeviceProfile:
    """Time the parts of a model, few counts of each, and put them into a profile.

    First the counts are chosen, by a few quick readings each. Then all of them are read in
    turn, round after round in an order drawn anew, and only these readings are kept: a
    machine's speed changes by a quarter within a minute, which would look like steps if
    each count had a minute of its own.

    Args:
        timer: a runtime with a model.
        name: of the profile.
        max_probes: counts at which all blocks are timed, at most.
        rounds: readings of every count that are kept, 1 or more.
        on_probe: called with the name of what was done after each count and each round.

    Raises:
        MeasurementError: `max_probes` is below 2, `rounds` below 1, or a reading is no
            latency.
    """
    if rounds < 1:
        raise MeasurementError(f"rounds is {rounds}: must be 1 or more")
    chosen = _choose(timer, max_probes, on_probe)
    samples = _read_in_turn(timer, chosen, rounds, on_probe)
    curves = _curves(timer.workload, samples)
    whole = Measurement(timer.workload.tokens, samples["model", timer.workload.tokens])
    environment = timer.environment()
    error = abs(curves.table().dense_ns / whole.centre_ns - 1)
    warnings = (*_warnings(curves), *_inconsistent(error))
    return DeviceProfile(
        name=name,
        device=environment.device,
        confidence="medium" if warnings else "high",
        provenance=(
            Provenance(
                source=f"latmodel probe, {environment.runtime} {environment.torch}",
                measured=f"blocks at {len(curves.blocks.probes)} token counts, MLP halves at "
                f"{len(curves.mlps.probes)}, a cut at {len(curves.cut.probes)}, embedding and "
                "head",
                derived="attention halves by difference; counts between probes by straight "
                "lines; a cut's cost by its dearest score, from the full count",
            ),
        ),
        errors=(
            ErrorFigure(
                what="the unpruned model, timed as a whole",
                mean_percent=round(100 * error, 2),
                rows=1,
            ),
        ),
        warnings=warnings,
        environment=environment,
        curves=(curves,),
    )


def _choose(
    timer: PartTimer, max_probes: int, on_probe: Callable[[str], None]
) -> dict[str, tuple[int, ...]]:
    """The counts worth reading, by part."""
    full = timer.workload.tokens
    quick: dict[str, tuple[_Part, int]] = {
        "blocks": (timer.blocks_ns, max_probes),
        "mlps": (timer.mlps_ns, min(_MLP_PROBES, max_probes)),
        "cut": (timer.cut_ns, min(_CUT_PROBES, max_probes)),
    }
    chosen = {
        part: probe_curve(
            lambda count, read=read: read(count, repeats=_QUICK),  # type: ignore[misc]
            tokens=range(1, full + 1),
            max_probes=probes,
            on_probe=lambda _, part=part: on_probe(f"choosing counts: {part}"),  # type: ignore[misc]
        ).counts
        for part, (read, probes) in quick.items()
    }
    return {**chosen, "ends": (full,), "model": (full,)}


def _read_in_turn(
    timer: PartTimer,
    chosen: dict[str, tuple[int, ...]],
    rounds: int,
    on_probe: Callable[[str], None],
) -> dict[tuple[str, int], tuple[int, ...]]:
    """One sample of every part and count per round; by both, shape (rounds,)."""
    read: dict[str, _Part] = {
        "blocks": timer.blocks_ns,
        "mlps": timer.mlps_ns,
        "cut": timer.cut_ns,
        "ends": lambda _, *, repeats: timer.ends_ns(repeats=repeats),
        "model": lambda _, *, repeats: timer.model_ns(repeats=repeats),
    }
    work = [(part, count) for part, counts in chosen.items() for count in counts]
    samples: dict[tuple[str, int], tuple[int, ...]] = dict.fromkeys(work, ())
    order = Random(0)  # noqa: S311 (an order, no secret)
    for turn in range(1, rounds + 1):
        order.shuffle(work)
        for part, count in work:
            samples[part, count] += tuple(read[part](count, repeats=1))
        on_probe(f"timing all counts, round {turn} of {rounds}")
    return samples


def _curves(
    workload: Workload, samples: dict[tuple[str, int], tuple[int, ...]]
) -> WorkloadCurves:
    def curve(part: str) -> Curve:
        counts = sorted(count for name, count in samples if name == part)
        return Curve(tuple(Measurement.of(count, samples[part, count]) for count in counts))

    return WorkloadCurves(
        workload=workload,
        ends_ns=Measurement(1, samples["ends", workload.tokens]).centre_ns,
        blocks=curve("blocks"),
        mlps=curve("mlps"),
        cut=curve("cut"),
    )


def _inconsistent(error: float) -> tuple[str, ...]:
    if error <= _NOISY:
        return ()
    advice = (
        f"the parts come to {error:.0%} more or less than the whole model: the machine's speed "
        "changed while it was timed; close other programs and probe again"
    )
    return (advice,)


def _warnings(curves: WorkloadCurves) -> tuple[str, ...]:
    probes = curves.blocks.probes
    taken = sum(len(probe.samples_ns) for probe in probes)
    left_out = taken - sum(len(probe.steady_ns) for probe in probes)
    if left_out > _MANY * taken:
        advice = (
            f"{left_out} of {taken} calls took over half as long again as the fastest and were "
            "left out: another program took the processor, or the device throttles"
        )
        return (advice,)
    noisy = [probe for probe in probes if probe.spread > _NOISY]
    if not noisy:
        return ()
    worst = max(noisy, key=lambda probe: probe.spread)
    advice = (
        f"{len(noisy)} of {len(curves.blocks.probes)} probes spread by more than "
        f"{_NOISY:.0%} (worst {worst.spread:.0%} at {worst.count} tokens): close other "
        "programs, lock the clocks and probe again"
    )
    return (advice,)
