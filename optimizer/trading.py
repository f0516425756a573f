"""Every budget at once: from a model and a device to the whole trade-off."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latmodel.catalogue import read_profile
from latmodel.profile import DeviceProfile
from optimizer.baselines.fitting import non_dominated
from optimizer.baselines.shapes import CONSTANT_DROP, EQUAL_RATIOS, ONE_CUT, Shape
from optimizer.frontier import frontier
from optimizer.optimizing import provenance_of, workload_of
from optimizer.posing import Posed, pose_endings
from optimizer.solution import Solution
from optimizer.tradeoff import Rival, Tradeoff, TradeoffPoint

if TYPE_CHECKING:
    from torch import nn

    from latmodel.workload import Workload

__all__ = ["find_tradeoff"]

RIVALS = (ONE_CUT, EQUAL_RATIOS, CONSTANT_DROP)
"""The shapes that a trade-off is shown beside."""

_COUNTED = ("least_count", "least_rate", "multiple_of")
"""The constraints on counts, which bind whatever cuts."""


def find_tradeoff(
    model: nn.Module | str | Workload,
    *,
    profile: DeviceProfile | str | Path,
    batch: int = 1,
    dtype: str | None = None,
    mode: str | None = None,
    lossless_last: bool | None = None,
    rivals: tuple[Shape, ...] = RIVALS,
    **constraints: Any,
) -> Tradeoff:
    """Every schedule that is optimal for some budget, by rising latency.

    Args:
        model: as in `optimizer.optimize`, as are the profile, batch, dtype and mode.
        profile: likewise.
        batch: likewise.
        dtype: likewise.
        mode: likewise.
        lossless_last: as in `optimizer.optimize`; None takes both endings, and of both what
            no other schedule beats.
        rivals: published shapes to show beside it. Of the constraints `least_count`,
            `least_rate` and `multiple_of` bind them, others do not: they cut where their
            authors do.
        constraints: those of `optimizer.optimize`, by name, such as `earliest_cut`.

    Raises:
        ProblemError: a constraint is out of range.
        LatmodelError: the model or the profile is unknown, unreadable or does not fit.

    >>> found = find_tradeoff("deit_small_patch16_224", profile="jetson", batch=8)
    >>> [f"{point.latency_ms:.1f} ms" for point in found.thinned(3)]
    ['30.4 ms', '40.9 ms', '51.4 ms']
    """
    device = profile if isinstance(profile, DeviceProfile) else read_profile(profile)
    workload = workload_of(model, batch, device.default_dtype if dtype is None else dtype)
    table = device.table(workload, mode=mode)
    posed = pose_endings(
        table, workload, lossless_last=lossless_last, budget_ns=table.dense_ns, **constraints
    )
    counted = {name: constraints[name] for name in _COUNTED if name in constraints}
    (free,) = pose_endings(
        table,
        workload,
        lossless_last=False,
        budget_ns=table.dense_ns,
        earliest_cut=0,
        **counted,
    )
    return Tradeoff(
        model=workload.model,
        batch=batch,
        dtype=workload.dtype,
        full=workload.tokens,
        prefix=workload.prefix,
        dense_ns=table.dense_ns,
        points=_unbeaten(
            point for each in posed for point in _points(each, frontier(each.problem))
        ),
        rivals=_rivals(free, rivals),
        profile=device.name,
        device=device.device,
        provenance=provenance_of(device, table),
        warnings=(*device.warnings, *table.warnings),
    )


def _points(posed: Posed, solutions: Iterable[Solution]) -> Iterable[TradeoffPoint]:
    for each in solutions:
        yield TradeoffPoint(each.latency_ns, each.value, posed.schedule_of(each))


def _unbeaten(points: Iterable[TradeoffPoint]) -> tuple[TradeoffPoint, ...]:
    """Those that no other beats in both; of equal ones the ending that is named first."""
    kept: list[TradeoffPoint] = []
    for point in sorted(points, key=lambda point: (point.latency_ns, -point.value)):
        if not kept or point.value > kept[-1].value:
            kept.append(point)
    return tuple(kept)


def _rivals(posed: Posed, shapes: tuple[Shape, ...]) -> tuple[Rival, ...]:
    prefix = posed.workload.prefix
    return tuple(
        Rival(
            shape.name,
            shape.method,
            tuple(_points(posed, non_dominated(posed.problem, shape, prefix=prefix))),
        )
        for shape in shapes
    )
