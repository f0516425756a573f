"""The readings of the Jetson AGX Orin, as the fit needs them: operators and a latency.

The folder of readings is $LATMODEL_DATA, else ../shared/data beside the repository.
"""

from __future__ import annotations

import csv
import gzip
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from latmodel.block_operators import attention_half, mlp_half
from latmodel.operator_fitting import Reading
from latmodel.operator_kinds import Operator
from latmodel.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = [
    "MODELS",
    "Row",
    "data_folder",
    "read_segments",
    "read_squares",
    "read_totals",
    "workload",
]

_SHAPES = {  # torchvision's models: tokens, dim, mlp width, depth, patch side
    "vit_b_16": (197, 768, 3072, 12, 16),
    "vit_b_32": (50, 768, 3072, 12, 32),
    "vit_l_16": (197, 1024, 4096, 24, 16),
}
MODELS = tuple(_SHAPES)

_FUSED = {
    "LayerNorm_Multihead": "attention",
    "LayerNorm_Linear": "mlp_in",
    "Linear_Dropout": "mlp_out",
}
_NODES = {r"add(_\d+)?": "add", r"encoder_ln": "norm", r"conv_proj": "patches"}
_HOST_ONLY = re.compile(r"(eq|floordiv|getattr)(_\d+)?")


@dataclass(frozen=True)
class Row:
    """One reading with its name: the median over a model's equal layers.

    Attributes:
        model: a key of `MODELS`, or "square".
        segment: what was timed as one: attention, mlp_in, mlp_out, add, norm, patches.
        times: how often the model runs it.
        reading: operators and latency, the harness's own time taken off.
    """

    model: str
    segment: str
    times: int
    reading: Reading


def data_folder() -> Path:
    """Where the readings are.

    Raises:
        SystemExit: they are not there.
    """
    beside = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("LATMODEL_DATA", beside))
    if not (folder / "jetson").is_dir():
        sys.exit(f"{folder}: no Jetson readings here; set LATMODEL_DATA to their folder")
    return folder


def workload(model: str, dtype: str = "fp32") -> Workload:
    """The shapes of one of the models that were timed."""
    tokens, dim, mlp_width, depth, side = _SHAPES[model]
    return Workload(
        model=model,
        depth=depth,
        dim=dim,
        heads=dim // 64,
        head_dim=64,
        mlp_width=mlp_width,
        tokens=tokens,
        prefix=1,
        patch_inputs=3 * side * side,
        classes=1000,
        dtype=dtype,
    )


def read_segments(folder: Path, mode: str) -> tuple[float, list[Row]]:
    """The harness's own time in ns, and the readings of one power mode."""
    host_only: list[float] = []
    found: dict[tuple[str, str, str], list[float]] = {}
    for row in _csv(folder / "jetson" / "agx_orin_vit_per_operator.csv.gz"):
        if not row["hardware_id"].endswith(mode) or row["model"] not in MODELS:
            continue
        latency_ns = float(row["mean_ms"]) * 1e6
        if _HOST_ONLY.fullmatch(row["nodes"]):
            host_only.append(latency_ns)  # no device work: this is the harness itself
        segment = _segment(row)
        if segment is not None:
            key = (row["model"], segment, row["dtype"].lower())
            found.setdefault(key, []).append(latency_ns)
    harness_ns = median(host_only)
    rows = [
        Row(
            model,
            segment,
            len(read),
            _reading(model, segment, dtype, median(read) - harness_ns),
        )
        for (model, segment, dtype), read in sorted(found.items())
    ]
    return harness_ns, rows


def read_totals(folder: Path) -> dict[tuple[str, str, str], tuple[float, int]]:
    """Per mode, model and dtype: the source's sum over its calls in ns, and their number."""
    with (folder / "jetson" / "agx_orin_vit_totals.csv").open(encoding="utf-8") as file:
        return {
            (row["dir"].rpartition("_")[2], row["model"], row["dtype"].lower()): (
                float(row["total_latency_ms"]) * 1e6,
                int(row["n_sub"]),
            )
            for row in csv.DictReader(file)
            if row["model"] in MODELS
        }


def read_squares(folder: Path, file: str, sizes: tuple[int, ...]) -> list[Row]:
    """The fp32 products of square matrices in one file of the source, less its floor.

    The floor, the cheapest product of any size, is 0.2 to 0.8 ms in that harness.
    """
    points = {
        int(row["size"]): float(row["mean_ms"]) * 1e6
        for row in _csv(folder / "jetson" / "gemm_stream_points.csv.gz")
        if row["file"].startswith(file)
        and row["op"] == "blas3_gemm"
        and row["precision"] == "fp32"
    }
    floor_ns = min(points.values())
    rows = []
    for size in sizes:
        square = Operator("linear", {"rows": size, "in_features": size, "out_features": size})
        reading = Reading(operators=(square,), dtype="fp32", latency_ns=points[size] - floor_ns)
        rows.append(Row("square", str(size), 1, reading))
    return rows


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _segment(row: dict[str, str]) -> str | None:
    """The name of what a row timed; None where the fit does not use it.

    The head is left out: one row runs a matrix-vector kernel, and its reading spreads
    by more than itself.
    """
    for start, segment in _FUSED.items():
        if row["fusion"].startswith(start):
            return segment
    for nodes, segment in _NODES.items():
        if re.fullmatch(nodes, row["nodes"]):
            return segment
    return None


def _reading(model: str, segment: str, dtype: str, latency_ns: float) -> Reading:
    """What ran inside one segment; dropout does nothing at inference."""
    shapes = workload(model)
    full = np.array([shapes.tokens])
    *attention, add = (_alone(use.operator) for use in attention_half(shapes, full))
    norm, mlp_in, gelu, mlp_out, _ = (_alone(use.operator) for use in mlp_half(shapes, full))
    patches = {
        "rows": shapes.patches,
        "in_features": shapes.patch_inputs,
        "out_features": shapes.dim,
    }
    operators = {
        "attention": tuple(attention),
        "mlp_in": (norm, mlp_in, gelu),
        "mlp_out": (mlp_out,),
        "add": (add,),
        "norm": (norm,),
        "patches": (Operator("linear", patches),),
    }[segment]
    return Reading(operators=operators, dtype=dtype, latency_ns=latency_ns)


def _alone(operator: Operator) -> Operator:
    """The operator of one count, its dims as plain numbers."""
    dims: dict[str, npt.ArrayLike] = {
        name: int(np.max(size)) for name, size in operator.dims.items()
    }
    return Operator(operator.kind, dims)
