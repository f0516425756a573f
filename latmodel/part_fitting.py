"""Timings of one kind of operator in, its model out: constants, kernel choice, correction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latmodel.kernel_fitting import fit_kernels, kernels_by_name
from latmodel.operator_kinds import PRODUCTS, STREAMS, Span, itemsize
from latmodel.operators import SPANS
from latmodel.products import ProductModel
from latmodel.shapes import product_of
from latmodel.streams import StreamModel, stream_features
from latmodel.tree_fitting import fit_choice, fit_forest, fit_whole_numbers

if TYPE_CHECKING:
    from latmodel.operator_readings import OperatorReadings
    from latmodel.slowdowns import Floats

__all__ = ["fit_part"]

LEAST_ROWS = 20
"""Timings of one kernel that its constants need."""

_CHOICE_LEAVES, _SPLIT_LEAVES = 150, 40
_FOLDS = 5


def fit_part(
    readings: OperatorReadings, *, sms: int, bandwidth_gb_s: float
) -> ProductModel | StreamModel:
    """The model of one kind of operator in one number format.

    Its `relative_error` is not known here: `fit_parts` reads it off shapes held out.

    Args:
        readings: of one kind; 100 or more make a correction worth its trees. Kernels with
            `LEAST_ROWS` readings and a tile in their names are told apart; where there is
            none, the usual tiles compete.
        sms: multiprocessors (cores, on a CPU).
        bandwidth_gb_s: memory bandwidth of the specification, in GB/s.
    """
    if readings.kind in PRODUCTS:
        return _fit_product(readings, sms=sms, bandwidth_gb_s=bandwidth_gb_s)
    return _fit_stream(readings, sms=sms, bandwidth_gb_s=bandwidth_gb_s)


def _fit_product(
    readings: OperatorReadings, *, sms: int, bandwidth_gb_s: float
) -> ProductModel:
    names = kernels_by_name(readings, least=LEAST_ROWS)
    bare = fit_kernels(readings, names=names, sms=sms, bandwidth_gb_s=bandwidth_gb_s)
    bare = _with_splits(bare, readings) if names else bare
    features, log_ns = _features_unseen(bare, readings, chosen=bool(names))
    model = _with_choice(bare, readings) if names else bare
    target = np.log(readings.latency_ns) - log_ns
    return replace(
        model,
        # Cold starts are outliers of the one, steps between kernels all that the other has:
        # squared errors keep three points more of the signs of steps on an H200.
        correction=fit_forest(
            features,
            target,
            trees=250 if names else 400,
            rate=0.12 if names else 0.1,
            loss="absolute_error" if names else "squared_error",
        ),
        fitted=_spans(readings),
    )


def _with_splits(model: ProductModel, readings: OperatorReadings) -> ProductModel:
    """Each kernel with a tree that tells how it splits the reduction."""
    kernels = []
    for kernel in model.kernels:
        mine = (readings.kernels == kernel.name) & (readings.splits > 0)  # 0: unknown
        if np.any(readings.splits[mine] > 1):
            own = readings.where(mine)
            features = model.features_of(product_of(own.kind, own.sizes))
            tree = fit_whole_numbers(features, own.splits, most_leaves=_SPLIT_LEAVES)
            kernel = replace(kernel, split_choice=tree)  # noqa: PLW2901
        kernels.append(kernel)
    return replace(model, kernels=tuple(kernels))


def _with_choice(model: ProductModel, readings: OperatorReadings) -> ProductModel:
    """The model with a tree that tells which kernel runs."""
    names = [kernel.name for kernel in model.kernels]
    known = readings.where(np.isin(readings.kernels, names))
    features = model.features_of(product_of(known.kind, known.sizes))
    chosen = np.array([names.index(str(name)) for name in known.kernels])
    return replace(model, choice=fit_choice(features, chosen, most_leaves=_CHOICE_LEAVES))


def _features_unseen(
    model: ProductModel, readings: OperatorReadings, *, chosen: bool
) -> tuple[dict[str, Floats], Floats]:
    """What the correction learns from: features and log latency, each of shape (n,).

    Where a tree chooses the kernel, each fold's are chosen by one that saw the other folds,
    so that the correction meets wrong choices as often as it will in use.
    """
    width = itemsize(readings.dtype)
    folds = np.random.default_rng(0).integers(_FOLDS if chosen else 1, size=len(readings))
    columns: dict[str, Floats] = {}
    log_ns = np.zeros(len(readings))
    for fold in np.unique(folds):
        here = folds == fold
        chooser = _with_choice(model, readings.where(~here)) if chosen else model
        part = readings.where(here)
        costs = chooser.costs_of(product_of(part.kind, part.sizes), width=width)
        log_ns[here] = np.log(model.launch_ns[0] + costs.busy_ns)
        for name, value in costs.features.items():
            columns.setdefault(name, np.zeros(len(readings)))[here] = value
    return columns, log_ns


def _fit_stream(readings: OperatorReadings, *, sms: int, bandwidth_gb_s: float) -> StreamModel:
    """Launch and bandwidth by quantiles, which no cache and no outlier moves."""
    moved = STREAMS[readings.kind] * readings.sizes["rows"] * readings.sizes["width"]
    launch_ns = float(np.percentile(readings.latency_ns, 2))
    large = moved >= np.percentile(moved, 90)
    spent_ns = np.maximum(
        readings.latency_ns[large] - launch_ns, 0.5 * readings.latency_ns[large]
    )
    reached = float(np.median(moved[large] * itemsize(readings.dtype) / spent_ns))
    model = StreamModel(
        kinds=(readings.kind,),
        dtypes=(readings.dtype,),
        sms=sms,
        bandwidth_gb_s=min(reached, 4.0 * bandwidth_gb_s),
        launch_ns=(launch_ns,),
        fitted=_spans(readings),
    )
    busy_ns, _ = model.busy_ns(readings.kind, readings.sizes, dtype=readings.dtype)
    target = np.log(readings.latency_ns / (launch_ns + busy_ns))
    features = stream_features(readings.sizes, sms=sms)
    small = fit_forest(features, target, trees=120, rate=0.12, most_leaves=16, least_rows=5)
    return replace(model, correction=small)


def _spans(readings: OperatorReadings) -> tuple[Span, ...]:
    """The ranges that the readings cover, by the names that parts use."""
    return tuple(
        Span(name, int(readings.sizes[dim].min()), int(readings.sizes[dim].max()))
        for name, dim in SPANS[readings.kind].items()
    )
