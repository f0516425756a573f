"""Fit the shipped profiles of the Jetson Orin Nano Super and the Orin NX.

    python benchmarks/fit_orin.py --out data

`orin_fitting.py` says how; every error in a profile is of readings not used for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from edge_ranges import ranged
from edge_writing import run
from jetson_fitting import MAXN, fit_maxn, moved, read
from jetson_readings import data_folder
from jetson_scoring import held_out, rounded, with_errors
from model_operators import operators_of, ungoverned, whole
from orin_fitting import (
    FLOOR_TOKENS,
    NANO,
    NX,
    at_clock,
    bare,
    fit_host,
    fit_kernels,
    nano_model,
    squares,
    vjepa_ns,
    with_rotary,
)
from orin_readings import Counted, cublas_squares, torch_squares, vjepa_rows

from latmodel.operator_fitting import predict_ns
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.workloads import find_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from latmodel.operator_fitting import Reading
    from latmodel.operators import OperatorModel

VIT_TINY_NS = 3.11549e6
"""TensorRT in fp16 on an Orin Nano (NetsPresso's device matrix)."""

_GRAPHS = Provenance(
    source="https://github.com/branes-ai/graphs, commit b6c5e82",
    licence="MIT",
    measured=(
        "square products in fp32, fp16 and bf16 in torch on this board; on a Jetson AGX Orin "
        "64GB at MAXN, three vision transformers segment by segment"
    ),
    derived="{derived}",
)
_MATMUL = Provenance(
    source="jetson-orin-matmul-analysis, commit 6b981e9",
    licence="MIT",
    measured=(
        "square fp32 products of cuBLAS on an Orin Nano Super, 256 to 1024, in three power "
        "modes; a product of 64 on its tensor cores"
    ),
    derived=(
        "the fp32 kernel's cycles, for a tile of 128 x 64 that was chosen on the AGX Orin; "
        "what the product of 64 takes, 0.011 ms, as the gap between the kernels of a graph"
    ),
)
_VJEPA = Provenance(
    source="a public README whose repository is not identified: the figures of seven runs",
    licence="none stated; one factor and two error figures were computed from them",
    measured="V-JEPA 2's ViT-L in fp16 on an Orin Nano Super, whole, at 128 to 2048 tokens",
    derived=(
        "all launches times {factor:.2f}, from the counts up to 512 tokens, with the operators "
        "of its rotary embedding counted in facebookresearch/vjepa2 (073e524): 102 a block"
    ),
)
_NETSPRESSO = Provenance(
    source="NetsPresso device matrix, commit cdefe12",
    licence="Apache-2.0",
    measured="ViT-tiny in TensorRT, fp16, on an Orin Nano",
    derived="nothing: one error figure is of it",
)
_NANO_DERIVED = (
    "16-bit products from squares of 2048 alone, which read memory again and again; fused "
    "attention, softmax, norm, gelu, add, the governor and the patch embedding from the AGX "
    "Orin's cycles, its launches by the CPU's clock (2.20 to 1.73 GHz); 8 multiprocessors, "
    "1.02 GHz and 102 GB/s from the specification"
)
_NX_DERIVED = (
    "everything: cycles and launches of the Orin Nano Super's profile at this board's clocks "
    "(0.918 GHz, CPU 1.98 GHz); no reading of this board was fitted, its squares of 2048 are "
    "the errors below"
)
_WHOLE = "no plain vision transformer was measured whole on this board: verify on it"
_FEW = (
    "whole models: 7 rows of one README; the form of the fit was chosen with those rows in "
    "view, its numbers with those up to 512 tokens only"
)
_ROTARY = (
    "attention's launches hold those of V-JEPA 2's rotary embedding, computed in every block "
    "anew: only for models that do so; plain timm models launch far less"
)


def figure(what: str, errors: Sequence[float]) -> ErrorFigure:
    """The mean absolute error of some rows; errors as fractions."""
    mean = round(100 * float(np.mean(np.abs(errors))), 1)
    return ErrorFigure(what=what, mean_percent=mean, rows=len(errors))


def off(model: OperatorModel, readings: Sequence[Reading]) -> list[float]:
    """Errors as signed fractions of the readings."""
    read_ns = np.array([reading.latency_ns for reading in readings])
    errors: list[float] = (predict_ns(model, readings) / read_ns - 1).tolist()
    return errors


def nano_figures(folder: Path, agx: OperatorModel, host: OperatorModel) -> list[ErrorFigure]:
    """What the Nano's profile says of its own error."""
    locked = [
        error
        for mode, ghz in NANO.clocks.items()
        for error in off(
            bare(fit_kernels(folder, agx, mode), governed=False),
            at_clock(cublas_squares(folder, mode), ghz),
        )
    ]
    tiny = find_workload("vit_tiny_patch16_224", dtype="fp16")
    graph = float(whole(ungoverned(host), operators_of(tiny), dtype="fp16").device_ns[0])
    return [
        figure("square fp32 products of a power mode from a fit to the other two", locked),
        *vjepa_figures(host, vjepa_rows(folder), vjepa_ns),
        figure(
            "ViT-tiny as a graph at a clock held up, against TensorRT in fp16",
            [graph / VIT_TINY_NS - 1],
        ),
    ]


def rotary_ns(model: OperatorModel, row: Counted) -> float:
    """V-JEPA 2's ViT-L with its rotary embedding in attention's launch, as it ships."""
    stretch = whole(with_rotary(model), operators_of(row.workload), dtype="fp16")
    return float(stretch.latency_ns("eager")[0])


def vjepa_figures(
    host: OperatorModel,
    rows: Sequence[Counted],
    latency_ns: Callable[[OperatorModel, Counted], float],
) -> list[ErrorFigure]:
    """V-JEPA 2's ViT-L: the counts that gave the host's factor, each alone, and the rest."""
    floors = [row for row in rows if row.workload.tokens <= FLOOR_TOKENS]
    alone = []
    for row in floors:
        others = [other for other in floors if other is not row]
        refitted, _ = fit_host(host, others)
        alone.append(latency_ns(refitted, row) / row.latency_ns - 1)
    beyond = [row for row in rows if row.workload.tokens > FLOOR_TOKENS]
    return [
        figure("V-JEPA 2 ViT-L at one of 128 to 512 tokens, fp16, from the others", alone),
        *(
            figure(
                f"V-JEPA 2 ViT-L at {row.workload.tokens} tokens, fp16, held out",
                [latency_ns(host, row) / row.latency_ns - 1],
            )
            for row in beyond
        ),
    ]


def nx_figures(folder: Path, nx: OperatorModel) -> list[ErrorFigure]:
    """What the Orin NX's profile says of its own error: no reading of it was fitted."""
    return [
        figure(
            f"square products of 2048, {dtype}, of a board no reading of which was fitted",
            off(
                bare(nx, governed=True),
                torch_squares(folder, "jetson_orin_nx_16gb_gpu", "MAXN_918", (dtype,), (2048,)),
            ),
        )
        for dtype in ("fp32", "fp16", "bf16")
    ]


def profiles(folder: Path) -> Iterator[DeviceProfile]:
    """The profiles of the Nano, plain and for rotary embeddings, and of the NX."""
    readings = read(folder)
    agx = with_errors(fit_maxn(readings), held_out(readings, MAXN))
    nano, factor = nano_model(folder, agx, vjepa_rows(folder))
    read_here = [o for row in readings.rows["maxn"] for o in row.reading.operators]
    read_here += [o for reading in squares(folder) for o in reading.operators]
    figures = tuple(nano_figures(folder, agx, nano))
    vjepa = replace(_VJEPA, derived=_VJEPA.derived.format(factor=factor))
    plain = DeviceProfile(
        name="jetson-orin-nano",
        device="NVIDIA Jetson Orin Nano Super 8GB, MAXN SUPER, torch eager",
        confidence="low",
        provenance=(replace(_GRAPHS, derived=_NANO_DERIVED), _MATMUL, vjepa, _NETSPRESSO),
        errors=figures,
        warnings=(_WHOLE, _FEW),
        operators=rounded(widened(ranged(nano, read_here), figures)),
    )
    yield plain
    yield replace(
        plain,
        name="jetson-orin-nano-rotary",
        device="NVIDIA Jetson Orin Nano Super 8GB, MAXN SUPER, eager rotary attention",
        errors=tuple(vjepa_figures(nano, vjepa_rows(folder), rotary_ns)),
        warnings=(_ROTARY, _WHOLE, _FEW),
        operators=rounded(widened(ranged(with_rotary(nano), read_here), figures)),
    )
    nx = moved(nano, NANO.mode, NX.mode, NANO.cpu_ghz / NX.cpu_ghz)
    figures = tuple(nx_figures(folder, nx))
    yield DeviceProfile(
        name="jetson-orin-nx",
        device="NVIDIA Jetson Orin NX 16GB, MAXN, torch eager",
        confidence="low",
        provenance=(replace(_GRAPHS, derived=_NX_DERIVED), _MATMUL, vjepa),
        errors=figures,
        warnings=(_WHOLE,),
        operators=rounded(widened(ranged(nx, read_here), figures)),
    )


def widened(model: OperatorModel, figures: Sequence[ErrorFigure]) -> OperatorModel:
    """The model with the AGX Orin's errors, or the largest stated here where that is more."""
    least = round(max(figure.mean_percent for figure in figures) / 100, 3)
    return replace(
        model,
        products=tuple(
            replace(part, relative_error=max(least, part.relative_error))
            for part in model.products
        ),
        streams=tuple(
            replace(part, relative_error=max(least, part.relative_error))
            for part in model.streams
        ),
    )


def report(folder: Path) -> None:
    """Print the plateau: V-JEPA 2's ViT-L, read and predicted."""
    rows = vjepa_rows(folder)
    model, _ = nano_model(folder, fit_maxn(read(folder)), rows)
    print("\nV-JEPA 2 ViT-L in ms: tokens, read, by its operators, by the rotary profile")
    for row in rows:
        ours = [f"{f(model, row) / 1e6:8.0f}" for f in (vjepa_ns, rotary_ns)]
        print(f"  {row.workload.tokens:4}{row.latency_ns / 1e6:8.0f}", *ours)


if __name__ == "__main__":
    run(profiles, __doc__)
    report(data_folder())
