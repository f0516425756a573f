"""How far a fitted profile is from timings that no step of its fit has seen."""

from __future__ import annotations

import csv
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import LatmodelError
from latmodel.model_fitting import predict_part_ns
from latmodel.operator_rivals import errors_of
from latmodel.part_fitting import fit_part
from latmodel.provenance import ErrorFigure
from latmodel.workloads import find_workload

if TYPE_CHECKING:
    from pathlib import Path

    from latmodel.card import Card
    from latmodel.operator_readings import OperatorReadings
    from latmodel.operators import OperatorModel
    from latmodel.profile import DeviceProfile
    from latmodel.slowdowns import Floats

__all__ = ["predict_unseen_widths", "unseen_linears", "unseen_widths", "whole_models"]

_FOLDS = 3


def unseen_linears(model: OperatorModel, linear: OperatorReadings, what: str) -> ErrorFigure:
    """A model against linears that another harness timed."""
    said = model.cost("linear", linear.sizes, dtype=linear.dtype).latency_ns
    return _figure(what, said, linear.latency_ns)


def predict_unseen_widths(linear: OperatorReadings, card: Card) -> Floats:
    """Each reading as told by a fit that saw other inputs and outputs only; shape (n,).

    Where few layers were timed at every token count, shapes held out stand between shapes
    fitted: they tell nothing of a layer of another width.
    """
    pairs = zip(
        linear.sizes["in_features"].astype(int).tolist(),
        linear.sizes["out_features"].astype(int).tolist(),
        strict=True,
    )
    folds = np.array([zlib.crc32(f"{i},{o}".encode()) % _FOLDS for i, o in pairs])
    said = np.zeros(len(linear))
    for fold in np.unique(folds):
        here = folds == fold
        part = fit_part(linear.where(~here), sms=card.sms, bandwidth_gb_s=card.bandwidth_gb_s)
        said[here] = predict_part_ns(part, linear.where(here))
    return said


def unseen_widths(
    model: OperatorModel, linear: OperatorReadings, card: Card
) -> tuple[OperatorModel, ErrorFigure]:
    """The model, its linears as unsure as on widths that a fit has not seen; and that error.

    A model of a vision transformer asks for other widths than a language model's.
    """
    said = predict_unseen_widths(linear, card)
    deviation = float(np.sqrt(np.mean(np.log(said / linear.latency_ns) ** 2)))
    products = tuple(
        replace(part, relative_error=round(deviation, 4))
        if part.kinds == ("linear",) and linear.dtype in part.dtypes
        else part
        for part in model.products
    )
    what = f"linear in {linear.dtype}, inputs and outputs held out"
    figure = _figure(what, said, linear.latency_ns)
    return replace(model, products=products), figure


def whole_models(
    profile: DeviceProfile, path: Path, *, dtype: str, attention: str, what: str
) -> ErrorFigure:
    """A profile against timm's own benchmark of whole models.

    Models that are no plain vision transformer are left out, as everywhere.

    Args:
        profile: whose operators answer.
        path: a file of timm's results.
        dtype: of the operators; timm's amp runs them in 16 bits.
        attention: how it ran, "fused" or "unfused".
        what: the results, in words.
    """
    said, read = [], []
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            batch = int(float(row["infer_batch_size"]))
            try:
                workload = find_workload(row["model"], batch=batch, dtype=dtype)
            except LatmodelError:
                continue
            if workload.left_out:  # rotations and biases are not modelled
                continue
            said.append(float(profile.table(workload, attention=attention).dense_ns))
            read.append(1e6 * float(row["infer_step_time"]))
    return _figure(what, np.array(said), np.array(read))


def _figure(what: str, said: Floats, read: Floats) -> ErrorFigure:
    mean = errors_of(said, read).mean
    return ErrorFigure(what=what, mean_percent=round(mean, 1), rows=len(read))
