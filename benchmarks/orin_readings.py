"""The readings of the smaller Orin boards: square products and one model at seven counts."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from latmodel.operator_fitting import Reading
from latmodel.operator_kinds import Operator
from latmodel.workload import Workload

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["VJEPA", "Counted", "cublas_squares", "smallest_ns", "torch_squares", "vjepa_rows"]

VJEPA = Workload(
    model="vjepa2_vit_large",
    depth=24,
    dim=1024,
    heads=16,
    head_dim=64,
    mlp_width=4096,
    tokens=2048,
    prefix=0,
    patch_inputs=3 * 2 * 16 * 16,  # a tubelet of two frames
    classes=0,
    dtype="fp16",
)
"""V-JEPA 2's ViT-L (facebookresearch/vjepa2), without its rotary embedding."""


class Counted(NamedTuple):
    """A whole model's latency at one token count."""

    workload: Workload
    latency_ns: float


def cublas_squares(folder: Path, mode: str) -> list[Reading]:
    """Square fp32 products of 256 to 1024 from a C harness, less its cheapest product."""
    points = _squares(folder / "jetson" / "orin_nano_square_matmul_fp32.csv", mode)
    floor_ns = min(points.values())
    return [_square(size, "fp32", points[size] - floor_ns) for size in (256, 512, 1024)]


def smallest_ns(folder: Path, mode: str) -> float:
    """What the smallest product of all takes, back to back: nearly all of it is no work."""
    path = folder / "jetson" / "orin_nano_square_matmul_tensor_core.csv"
    return min(_squares(path, mode).values())


def torch_squares(
    folder: Path, board: str, file: str, dtypes: tuple[str, ...], sizes: tuple[int, ...]
) -> list[Reading]:
    """Square products from torch, less the cheapest of any size; `file` starts its name."""
    path = folder / "jetson" / "gemm_stream_points.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [
            row
            for row in csv.DictReader(lines)
            if row["board"] == board
            and row["file"].startswith(file)
            and row["op"] == "blas3_gemm"
        ]
    readings = []
    for dtype in dtypes:
        points = [(int(r["size"]), _ns(r["mean_ms"])) for r in rows if r["precision"] == dtype]
        floor_ns = min(latency_ns for _, latency_ns in points)
        readings += [_square(n, dtype, ns - floor_ns) for n, ns in points if n in sizes]
    return readings


def vjepa_rows(folder: Path) -> list[Counted]:
    """V-JEPA 2's ViT-L at seven counts."""
    with (folder / "jetson" / "orin_nano_vitl_tokens.csv").open(encoding="utf-8") as file:
        return [
            Counted(replace(VJEPA, tokens=int(row["tokens"])), _ns(row["latency_ms"]))
            for row in csv.DictReader(file)
        ]


def _squares(path: Path, mode: str) -> dict[int, float]:
    with path.open(encoding="utf-8") as file:
        return {
            int(row["matrix_size"]): _ns(row["elapsed_ms"])
            for row in csv.DictReader(file)
            if row["power_mode_name"] == mode
        }


def _square(size: int, dtype: str, latency_ns: float) -> Reading:
    square = Operator("linear", {"rows": size, "in_features": size, "out_features": size})
    return Reading(operators=(square,), dtype=dtype, latency_ns=latency_ns)


def _ns(milliseconds: str) -> float:
    return float(milliseconds) * 1e6
