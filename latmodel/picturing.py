"""From a device profile to the picture of one workload in it."""

from __future__ import annotations

from latmodel.dense_samples import DenseSamples
from latmodel.errors import ProfileError
from latmodel.picture import (
    Captions,
    Picture,
    PlotSettings,
    picture_of_curve,
    picture_of_table,
)
from latmodel.profile import DeviceProfile
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves
from latmodel.workloads import find_workload

__all__ = ["picture_of_profile"]

_DEFAULT_MODEL = "deit_small_patch16_224"


def picture_of_profile(
    profile: DeviceProfile,
    *,
    model: str | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    samples: DenseSamples | None = None,
    settings: PlotSettings | None = None,
) -> Picture:
    """The picture of one workload: its measured curve, else what the operators make of it.

    Args:
        profile: the device.
        model: timm's name; None takes what was measured, or deit_small_patch16_224 where
            nothing was.
        batch: images per call; None takes what was measured, or 1.
        dtype: None takes what was measured, or the profile's default.
        samples: readings of all blocks in sequence, to compare with.
        settings: edges and band; by default those of `PlotSettings`.

    Raises:
        ProfileError: more than one measured workload is meant, or none and the profile has
            no operators.
        UnknownModelError: `model` was not measured and timm has none of that name.
        PlotError: a sample lies outside the curve.

    >>> import latmodel
    >>> picture_of_profile(latmodel.read_profile("jetson"), batch=8).steps[0].words
    '32→33 +32 %'
    """
    found = _measured(profile, model, batch, dtype)
    if len(found) > 1:
        raise ProfileError(
            f"profile {profile.name!r} holds {len(found)} workloads that fit: "
            f"{_listed(found)}; choose one by model, batch and dtype"
        )
    if found:
        curves = found[0]
        curve, workload = curves.blocks, curves.workload
        known = f"measured at {len(curve.probes)} of {workload.tokens} counts"
        captions = _captions(profile, workload, known, "block")
        return picture_of_curve(
            curve,
            captions=captions,
            samples=samples,
            settings=settings,
            workload=workload,
            mlps=curves.mlps,
        )
    if profile.operators is None:
        raise ProfileError(
            f"profile {profile.name!r} holds no curve of {_asked(model, batch, dtype)} and no "
            f"operators to compose one from; it holds {_listed(profile.curves)}"
        )
    workload = find_workload(
        model or _DEFAULT_MODEL, batch=batch or 1, dtype=dtype or profile.default_dtype
    )
    captions = _captions(profile, workload, "composed from operators, not measured", "segment")
    table = profile.table(workload)
    return picture_of_table(table, captions=captions, samples=samples, settings=settings)


def _measured(
    profile: DeviceProfile, model: str | None, batch: int | None, dtype: str | None
) -> tuple[WorkloadCurves, ...]:
    """The measured workloads that fit; by the model's name, else by its shapes."""
    fitting = tuple(
        curves
        for curves in profile.curves
        if batch in (None, curves.workload.batch) and dtype in (None, curves.workload.dtype)
    )
    if model is None or not fitting:
        return fitting
    named = tuple(curves for curves in fitting if curves.workload.model == model)
    if named:
        return named
    asked = find_workload(model)
    return tuple(
        curves
        for curves in fitting
        if curves.workload.same_shapes(
            asked.at(batch=curves.workload.batch, dtype=curves.workload.dtype)
        )
    )


def _captions(profile: DeviceProfile, workload: Workload, known: str, part: str) -> Captions:
    several = "" if workload.depth == 1 else "s"
    confidence = "" if profile.confidence == "high" else f", {profile.confidence} confidence"
    return Captions(
        title=profile.device,
        subtitle=f"{_named(workload)}: {known}{confidence}",
        latency=f"latency of {workload.depth} {part}{several}",
    )


def _named(workload: Workload) -> str:
    return f"{workload.model}, batch {workload.batch}, {workload.dtype}"


def _listed(curves: tuple[WorkloadCurves, ...]) -> str:
    return "; ".join(_named(c.workload) for c in curves)


def _asked(model: str | None, batch: int | None, dtype: str | None) -> str:
    any_of = model or "any model"
    return f"{any_of}, batch {batch or 'any'}, {dtype or 'any dtype'}"
