"""Make a device profile of timings that another tool took, part by part.

A part that was not timed is estimated where there is a rule for it. Every rule that was
used is named in the profile, in its provenance and in a warning, and its confidence falls.
"""

from __future__ import annotations

from collections.abc import Iterable

from latmodel.curve import Curve
from latmodel.doubts import MOST_PERCENT, doubts, percent_above_whole
from latmodel.environment import Environment
from latmodel.errors import ProfileError
from latmodel.estimating import cut_estimate, ends_estimate, mlp_estimate
from latmodel.measurement import Measurement
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.provenance import WHOLE_MODEL
from latmodel.readings import Readings
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = ["import_readings"]

_RULES = {
    "mlp": "MLP halves by their share of a block's arithmetic",
    "cut": "a cut as a block at 1 token, for its launches, and the share of a block's "
    "arithmetic at the full count that its scores take",
    "ends": "embedding and head by their arithmetic, at the speed of a block",
}
"""How a part is estimated that was not timed."""


def import_readings(
    readings: Readings,
    workload: Workload,
    *,
    device: str,
    name: str,
    runtime: str = "",
    source: str = "a list of readings",
) -> DeviceProfile:
    """Make a device profile of readings.

    One block was timed, but a profile holds all blocks in sequence, so its latency is
    taken `depth` times; the MLP half likewise. Rows of the block must be there at 1 token
    and at the full count; so must those of MLP half and cut, unless the part has no row at
    all and is estimated. Where the whole model was timed, the profile holds how far the
    sum of its parts is from it.

    Args:
        readings: what was timed.
        workload: the model that it was timed of.
        device: the device in words, with its power mode or clocks.
        name: of the profile.
        runtime: what ran the parts, with its version; "" if unknown.
        source: where the readings come from, in words.

    Returns:
        A profile of confidence "medium" at most; "low" where a part is estimated or the
        parts disagree with the whole.

    Raises:
        ProfileError: a row that must be there is missing; the message names each. Or a text
            is empty that may not be, or cannot be written.
    """
    _require_text(device=device, runtime=runtime or "unknown", source=source)
    parts = {part: readings.measurements(part) for part in ("block", "mlp", "cut", "ends")}
    _require_rows(parts, workload.tokens)
    estimated = tuple(part for part in _RULES if not parts[part])
    curves = _curves(parts, workload)
    errors = _errors(readings, curves)
    consistent = all(error.mean_percent <= MOST_PERCENT for error in errors)
    return DeviceProfile(
        name=name,
        device=device,
        confidence="low" if estimated or not consistent else "medium",
        provenance=(_provenance(parts, workload, estimated, source, runtime),),
        errors=errors,
        warnings=(
            *(f"no row of {part}: estimated, {_RULES[part]}" for part in estimated),
            *doubts(readings, curves),
        ),
        environment=Environment(device=device, runtime=runtime, dtype=workload.dtype, threads=0)
        if runtime
        else None,
        curves=(curves,),
    )


def _require_text(**texts: str) -> None:
    for name, text in texts.items():
        if not text.strip():
            raise ProfileError(f"{name} is empty: say in words what it is")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ProfileError(f"{name} is {text!r}: must be text that UTF-8 can hold")


def _require_rows(parts: dict[str, tuple[Measurement, ...]], full: int) -> None:
    """Refuse a curve that does not span the range, by the names of the rows it lacks."""
    missing, optional = [], False
    for part in ("block", "mlp", "cut"):
        counts = {probe.count for probe in parts[part]}
        if counts or part == "block":
            lacking = [f"{part},{count}" for count in sorted({1, full} - counts)]
            optional |= bool(lacking) and part != "block"
            missing += lacking
    if missing:
        choice = "; a part without any row is estimated" if optional else ""
        raise ProfileError(
            f"not measured: {' and '.join(missing)}; each curve must hold 1 and the full count "
            f"{full}{choice}"
        )


def _curves(parts: dict[str, tuple[Measurement, ...]], workload: Workload) -> WorkloadCurves:
    block, depth = Curve(parts["block"]), workload.depth
    mlp = parts["mlp"] or mlp_estimate(workload, block)
    ends = parts["ends"]
    return WorkloadCurves(
        workload=workload,
        blocks=Curve(_times(depth, block.probes)),
        mlps=Curve(_times(depth, mlp)),
        cut=Curve(parts["cut"] or cut_estimate(workload, block)),
        ends_ns=ends[0].centre_ns if ends else ends_estimate(workload, block),
    )


def _times(depth: int, probes: Iterable[Measurement]) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(probe.count, tuple(depth * sample for sample in probe.samples_ns))
        for probe in probes
    )


def _provenance(
    parts: dict[str, tuple[Measurement, ...]],
    workload: Workload,
    estimated: tuple[str, ...],
    source: str,
    runtime: str,
) -> Provenance:
    words = {
        "block": f"one block at {len(parts['block'])} token counts",
        "mlp": f"one MLP half at {len(parts['mlp'])}",
        "cut": f"a cut at {len(parts['cut'])}",
        "ends": "embedding and head",
    }
    derived = (
        f"all blocks as {workload.depth} times one block, timed alone",
        "all MLP halves likewise",
        "attention halves by difference",
        "counts between readings by a slope and steps where tiles end",
        *(_RULES[part] for part in estimated),
    )
    return Provenance(
        source=f"latmodel import of {source}" + (f", {runtime}" if runtime else ""),
        measured=", ".join(text for part, text in words.items() if part not in estimated),
        derived="; ".join(derived),
    )


def _errors(readings: Readings, curves: WorkloadCurves) -> tuple[ErrorFigure, ...]:
    percent = percent_above_whole(readings, curves)
    if percent is None:
        return ()
    return (ErrorFigure(what=WHOLE_MODEL, mean_percent=round(abs(percent), 2), rows=1),)
