"""Measure one workload on this machine and make a device profile of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

from latmodel.cautions import cautions
from latmodel.clocks import Clocks, with_clocks
from latmodel.curve import Curve
from latmodel.environment import Environment
from latmodel.errors import MeasurementError
from latmodel.interleaving import Effort, Estimate, Key, estimate, interleave
from latmodel.journal import Journal
from latmodel.measurement import Measurement
from latmodel.parts import CUT_PROBES, MLP_PROBES, PartTimer, part_reader
from latmodel.probing import probe_curve
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.provenance import WHOLE_MODEL
from latmodel.recording import Recorder
from latmodel.session import Session
from latmodel.timing import settle
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = ["Effort", "OnProgress", "PartTimer", "probe_profile"]

_CALM = 4
"""Readings of the full count that must get no quicker before any is kept: an idle machine
takes a while to raise its clock."""

_QUICK = 3
"""Samples to choose a count by."""

OnProgress = Callable[[str, str, float], None]
"""Told the phase, what is going on in it, and the fraction of the phase that is done."""


def probe_profile(
    timer: PartTimer,
    *,
    name: str,
    max_probes: int = 24,
    effort: Effort | None = None,
    journal: Path | None = None,
    resume: bool = False,
    on_progress: OnProgress = lambda _phase, _what, _done: None,
    clock: Callable[[], float] = monotonic,
    clocks: Callable[[Environment], Clocks] | None = None,
) -> DeviceProfile:
    """Time the parts of a model, few counts of each, and put them into a profile.

    First the counts are chosen, by a few quick readings each. Then all of them are read in
    turn, round after round in an order drawn anew, until each is known well enough, and
    only these readings are kept: a machine's speed changes by a quarter within a minute,
    which would look like steps if each count had a minute of its own. What its speed was
    is told by the full count, which is read all the time, and corrected for.

    Args:
        timer: a runtime with a model.
        name: of the profile.
        max_probes: counts at which all blocks are timed, at most.
        effort: when the readings that are kept are enough; by default that of `Effort()`.
        journal: where every reading is put on file at once; none by default. It stays
            there: remove it when the profile is written.
        resume: go on with the readings of that journal.
        on_progress: called after each reading, for a progress bar.
        clock: the time in seconds, from any start.
        clocks: reads the device's clocks; by default `read_clocks`.

    Raises:
        MeasurementError: `max_probes` is below 2, or a reading is no latency.
        JournalError, FieldError, EnvironmentMismatchError: as `Journal.begin` and
            `Journal.resume`.
    """
    if max_probes < 2:
        raise MeasurementError(f"max_probes is {max_probes}: must be 2 or more")
    effort = effort or Effort()
    environment = with_clocks(timer.environment(), clocks)
    settings = {"max_probes": max_probes, **effort.to_dict()}
    file, unasked = None, 0
    if journal is not None:
        session = Session(timer.workload, environment, settings)
        file = (Journal.resume if resume else Journal.begin)(journal, session)
    try:
        found = _measure(timer, file, max_probes, effort, on_progress, clock)
    finally:
        if file is not None:
            file.close()
            unasked = file.left
    return _profile(name, timer.workload, environment, found, unasked)


def _measure(
    timer: PartTimer,
    journal: Journal | None,
    max_probes: int,
    effort: Effort,
    on_progress: OnProgress,
    clock: Callable[[], float],
) -> Estimate:
    """Warm up, choose the counts, and read them all in turn."""
    full, read = timer.workload.tokens, part_reader(timer)
    reference: Key = ("blocks", full)
    recorder = Recorder(read, journal, clock=clock)
    on_progress("warming up", "the full count", 0.0)
    settle(lambda: read(*reference, 1)[0], calm=_CALM)
    keys = _choose(recorder, full, max_probes, on_progress)
    readings = interleave(
        lambda key: recorder.read("turn", *key)[0],
        [*keys, ("ends", full), ("model", full)],
        reference=reference,
        clock=lambda: clock() + recorder.replayed_s - recorder.preparing_s,
        effort=effort,
        on_progress=lambda what, done: on_progress(
            f"timing {len(keys) + 2} counts", what, done
        ),
    )
    return estimate(readings, reference)


def _choose(
    recorder: Recorder, full: int, max_probes: int, on_progress: OnProgress
) -> list[Key]:
    """The parts and counts worth reading."""
    shares = {"blocks": max_probes, "mlps": MLP_PROBES, "cut": CUT_PROBES}
    most = {part: min(share, max_probes, full) for part, share in shares.items()}
    seen: set[Key] = set()
    keys: list[Key] = []
    for part, probes in most.items():

        def measure(count: int, part: str = part) -> tuple[int, ...]:
            samples = recorder.read("choose", part, count, _QUICK)
            seen.add((part, count))
            done = min(len(seen) / sum(most.values()), 1.0)
            on_progress("choosing counts", f"{part} at {count} tokens", done)
            return samples

        curve = probe_curve(
            measure, tokens=range(1, full + 1), max_probes=probes, max_samples=_QUICK
        )
        keys += [(part, count) for count in curve.counts]
    return keys


def _profile(
    name: str, workload: Workload, environment: Environment, found: Estimate, unasked: int
) -> DeviceProfile:
    curves = _curves(workload, found.measured)
    whole = found.measured["model", workload.tokens]
    error = abs(curves.table().dense_ns / whole.centre_ns - 1)
    warnings = cautions(curves, error, blind=len(found.blind), unasked=unasked)
    return DeviceProfile(
        name=name,
        device=environment.device,
        confidence="medium" if warnings else "high",
        provenance=(
            Provenance(
                source=f"latmodel probe, {_runtime(environment)}",
                measured=f"blocks at {len(curves.blocks.probes)} token counts, MLP halves at "
                f"{len(curves.mlps.probes)}, a cut at {len(curves.cut.probes)}, embedding and "
                "head",
                derived="latencies at the machine's usual speed, each sample times its speed; "
                "attention halves by difference; counts between probes by a slope and "
                "steps where tiles end; a "
                "cut's cost by its dearest score, from the full count",
            ),
        ),
        errors=(
            ErrorFigure(
                what=WHOLE_MODEL,
                mean_percent=round(100 * error, 2),
                rows=1,
            ),
        ),
        warnings=warnings,
        environment=environment,
        curves=(curves,),
    )


def _runtime(environment: Environment) -> str:
    return f"{environment.runtime} {environment.runtime_version}".rstrip()


def _curves(workload: Workload, measured: dict[Key, Measurement]) -> WorkloadCurves:
    def curve(part: str) -> Curve:
        return Curve(tuple(measured[key] for key in sorted(measured) if key[0] == part))

    return WorkloadCurves(
        workload=workload,
        ends_ns=measured["ends", workload.tokens].centre_ns,
        blocks=curve("blocks"),
        mlps=curve("mlps"),
        cut=curve("cut"),
    )
