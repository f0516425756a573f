"""Measure one workload on this machine and make a device profile of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from latmodel.curve import Curve
from latmodel.environment import Environment
from latmodel.measurement import Measurement
from latmodel.probing import probe_curve
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = ["PartTimer", "probe_count", "probe_profile"]

_MLP_PROBES = 8
_CUT_PROBES = 4
"""The MLP half enters the table only once and a cut is small, so few probes serve them."""

_NOISY = 0.10
"""A spread between repeats above which the profile warns; two stacks on one GPU differ by
8.5 % at the 90th percentile (aiconfigurator's H200 tables, commit 095f58a)."""


class PartTimer(Protocol):
    """What a runtime offers: samples of each part's latency, in ns."""

    workload: Workload

    def blocks_ns(self, count: int) -> tuple[int, ...]:
        """All blocks in sequence on `count` tokens."""

    def mlps_ns(self, count: int) -> tuple[int, ...]:
        """The MLP halves of all blocks in sequence on `count` tokens."""

    def cut_ns(self, count: int) -> tuple[int, ...]:
        """One cut from the full count to `count`."""

    def ends_ns(self) -> tuple[int, ...]:
        """Embedding, last norm and head."""

    def model_ns(self) -> tuple[int, ...]:
        """The whole unpruned model."""

    def environment(self) -> Environment:
        """What the timings depend on."""


def probe_count(max_probes: int) -> int:
    """How often `on_probe` of `probe_profile` is called at most, for a progress bar."""
    return max_probes + _MLP_PROBES + _CUT_PROBES + 2


def probe_profile(
    timer: PartTimer,
    *,
    name: str,
    max_probes: int = 24,
    on_probe: Callable[[str], None] = lambda _: None,
) -> DeviceProfile:
    """Time the parts of a model, few counts of each, and put them into a profile.

    The unpruned model as a whole is timed before and after, so that the profile can state
    how far the sum of its parts is from it.

    Args:
        timer: a runtime with a model.
        name: of the profile.
        max_probes: counts at which all blocks are timed, at most.
        on_probe: called with the name of the part after each probe.

    Raises:
        MeasurementError: `max_probes` is below 2, or a reading is no latency.
    """
    whole = _timed("model", timer.workload.tokens, timer.model_ns, on_probe)
    curves = _probe_parts(timer, max_probes, on_probe)
    whole = Measurement(
        whole.count,
        whole.samples_ns + _timed("model", whole.count, timer.model_ns, on_probe).samples_ns,
    )
    environment = timer.environment()
    error = abs(curves.table().dense_ns / whole.centre_ns - 1)
    return DeviceProfile(
        name=name,
        device=environment.device,
        confidence="high",
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
        warnings=(*_warnings(curves), *_inconsistent(error)),
        environment=environment,
        curves=(curves,),
    )


def _timed(
    part: str, count: int, read: Callable[[], tuple[int, ...]], on_probe: Callable[[str], None]
) -> Measurement:
    measured = Measurement(count, read())
    on_probe(part)
    return measured


def _probe_parts(
    timer: PartTimer, max_probes: int, on_probe: Callable[[str], None]
) -> WorkloadCurves:
    full = timer.workload.tokens

    def curve(part: str, measure: Callable[[int], object], probes: int) -> Curve:
        return probe_curve(
            measure,
            tokens=range(1, full + 1),
            max_probes=probes,
            on_probe=lambda _: on_probe(part),
        )

    return WorkloadCurves(
        workload=timer.workload,
        ends_ns=Measurement(full, timer.ends_ns()).centre_ns,
        blocks=curve("blocks", timer.blocks_ns, max_probes),
        mlps=curve("MLP halves", timer.mlps_ns, min(_MLP_PROBES, max_probes)),
        cut=curve("a cut", timer.cut_ns, min(_CUT_PROBES, max_probes)),
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
    noisy = [probe for probe in curves.blocks.probes if probe.spread > _NOISY]
    if not noisy:
        return ()
    worst = max(noisy, key=lambda probe: probe.spread)
    advice = (
        f"{len(noisy)} of {len(curves.blocks.probes)} probes spread by more than "
        f"{_NOISY:.0%} (worst {worst.spread:.0%} at {worst.count} tokens): close other "
        "programs, lock the clocks and probe again"
    )
    return (advice,)
