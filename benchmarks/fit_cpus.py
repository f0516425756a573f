"""Fit the shipped profiles of two x86 CPUs to timm's own benchmark of whole models.

    python benchmarks/fit_cpus.py --out data

Seven numbers explain 111 models. The errors are of models held out by width: all models of
one width are predicted from those of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from cpu_readings import ModelRow, read_models
from edge_ranges import ranged, with_error
from edge_writing import run
from jetson_scoring import rounded

from latmodel.kernels import Kernel
from latmodel.operator_fitting import fit, predict_ns
from latmodel.operator_kinds import STREAMS
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.streams import StreamModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from latmodel.slowdowns import Floats

SPREAD = {
    "products.0.launch_ns.*": 0.5,
    "products.1.launch_ns.*": 0.5,
    "streams.0.launch_ns.*": 0.5,
    "products.0.kernels.0.element_ns": 0.7,
    "products.1.kernels.0.element_ns": 1.0,
    "products.*.bandwidth_gb_s": 1.0,
    "streams.0.bandwidth_gb_s": 0.7,
}
TILE = (6, 16)  # a register tile of fp32 products with AVX2; work flows from tile to tile


class Cpu(NamedTuple):
    """A processor, its file, and what its specification says of all cores together."""

    name: str
    device: str
    file: str
    cores: int
    gflops: float
    gb_s: float
    confidence: str


CPUS = (
    Cpu(
        "laptop-i7-12700h",
        "Intel Core i7-12700H, torch 2.4 compiled with dynamo",
        "timm-fp32-nchw-pt240-cpu-i7_12700h-dynamo.csv",
        cores=14,
        gflops=6 * 4.0 * 32 + 8 * 3.0 * 16,
        gb_s=60.0,
        confidence="medium",
    ),
    Cpu(
        "desktop-i9-10940x",
        "Intel Core i9-10940X, torch 2.4 compiled with dynamo",
        "timm-fp32-nchw-pt240-cpu-i9_10940x-dynamo.csv",
        cores=14,
        gflops=14 * 3.0 * 64,
        gb_s=80.0,
        confidence="low",
    ),
)


def specification(cpu: Cpu) -> OperatorModel:
    """Half of the peak for linears, less for attention; tens of microseconds to dispatch."""
    rows, columns = TILE

    def part(kinds: tuple[str, ...], share: float) -> ProductModel:
        kernel = Kernel(
            name=f"{rows}x{columns}",
            tile_rows=rows,
            tile_columns=columns,
            element_ns=rows * columns * 2 * cpu.cores / (share * cpu.gflops),
            evenness=0.0,
        )
        return ProductModel(
            kinds=kinds,
            dtypes=("fp32",),
            sms=cpu.cores,
            bandwidth_gb_s=cpu.gb_s,
            launch_ns=(20e3,) * len(kinds),
            kernels=(kernel,),
        )

    stream = StreamModel(
        kinds=tuple(STREAMS),
        dtypes=("fp32",),
        sms=cpu.cores,
        bandwidth_gb_s=cpu.gb_s,
        launch_ns=(10e3,) * len(STREAMS),
    )
    products = (part(("linear",), 0.5), part(("bmm", "attention"), 0.3))
    return OperatorModel(products=products, streams=(stream,), mode="sum")


def fit_rows(cpu: Cpu, rows: Sequence[ModelRow]) -> OperatorModel:
    """The operators that explain whole models best."""
    return fit([row.reading for row in rows], prior=specification(cpu), spread=SPREAD)


def errors_of(model: OperatorModel, rows: Sequence[ModelRow]) -> Floats:
    """Signed errors, as fractions of the reading; shape (rows,)."""
    readings = [row.reading for row in rows]
    errors: Floats = predict_ns(model, readings) / [r.latency_ns for r in readings] - 1
    return errors


def held_out(cpu: Cpu, rows: Sequence[ModelRow]) -> Floats:
    """The error of each model as predicted from all models of other widths."""
    found = np.zeros(len(rows))
    widths = np.array([row.workload.dim for row in rows])
    for width in np.unique(widths):
        model = fit_rows(cpu, [row for row in rows if row.workload.dim != width])
        own = np.flatnonzero(widths == width)
        found[own] = errors_of(model, [rows[index] for index in own.tolist()])
    return found


def figures(rows: Sequence[ModelRow], errors: Floats) -> Iterator[ErrorFigure]:
    """The mean over all models held out, and per family."""
    percent = 100 * np.abs(errors)
    median = f"median {np.median(percent):.1f} %"

    def figure(what: str, value: float, count: int) -> ErrorFigure:
        return ErrorFigure(what=what, mean_percent=round(float(value), 1), rows=count)

    yield figure(
        f"whole models, those of one width from the other widths ({median})",
        percent.mean(),
        len(rows),
    )
    families = np.array([row.family for row in rows])
    for family in np.unique(families):
        own = percent[families == family]
        yield figure(f"of these, {family}", own.mean(), len(own))


def profiles(folder: Path) -> Iterator[DeviceProfile]:
    """The profiles of both processors."""
    for cpu in CPUS:
        rows, others = read_models(folder / "whole_models" / cpu.file)
        errors = held_out(cpu, rows)
        print(f"\n{cpu.name}: {len(rows)} plain models, {others} other rows left out")
        for width in sorted({row.workload.dim for row in rows}):
            own = [e for e, row in zip(errors, rows, strict=True) if row.workload.dim == width]
            mean, bias = np.mean(np.abs(own)), np.mean(own)
            print(
                f"  width {width:5}{len(own):4} models{mean:8.1%} off, {bias:+.1%} on average"
            )
        yield _profile(cpu, rows, others, errors)


def _profile(cpu: Cpu, rows: Sequence[ModelRow], others: int, errors: Floats) -> DeviceProfile:
    fitted = ranged(fit_rows(cpu, rows), [o for row in rows for o in row.reading.operators])
    error = round(float(np.sqrt(np.mean(np.log1p(errors) ** 2))), 3)
    return DeviceProfile(
        name=cpu.name,
        device=cpu.device,
        confidence=cpu.confidence,
        provenance=(
            Provenance(
                source="https://github.com/huggingface/pytorch-image-models, commit aa4b585",
                licence="Apache-2.0",
                measured=(
                    f"{len(rows)} plain vision transformers whole, one image, fp32; {others} "
                    "rows of the file are of other models and are left out"
                ),
                derived=(
                    "every operator: seven numbers fitted to whole models, none timed alone; "
                    f"{cpu.cores} cores; a {TILE[0]} x {TILE[1]} register tile; that work "
                    "flows evenly from tile to tile; tile and spreads were chosen among eight "
                    "with the errors below in view (5.5 to 9.2 % on the i7-12700H)"
                ),
            ),
        ),
        errors=tuple(figures(rows, errors)),
        warnings=(_WHOLE, _FULL),
        operators=rounded(with_error(fitted, error)),
    )


_WHOLE = (
    "whole models were measured, no operator alone: how a block's time divides among its "
    "operators is the fit's guess"
)
_FULL = (
    "every model was read at its full token count: that fewer tokens of one model cost what "
    "another model of fewer costs is assumed"
)


if __name__ == "__main__":
    run(profiles, __doc__)
