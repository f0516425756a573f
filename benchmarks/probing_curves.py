"""The measured curves that probing is tried on: one reading per count, replayed.

A curve is the latency of one transformer block over its token count. Where a source holds
more than one reading of a count, their median is taken.

- RTX 3090: the sum of the twelve layers of a block of Llama-3-8B, every count; and its
  attention and MLP halves.
- Vidur: A40 and A100, the sum of a block's operators (less the product of queries and keys
  and what follows from it, which the source times apart), at every eighth count.
- GEMM: H200, L40S and A100, the sum of a ViT block's four products at the widths for which
  the source has all four: 256, 512, 1024, 2048 and 4096 (768, ViT-B's, lacks the qkv
  product). Counts lie in pairs at the edges of tiles, with wide gaps between (A100: no pairs).
"""

from __future__ import annotations

import csv
import gzip
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from jetson_readings import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["SIZES", "Floats", "Ints", "Replayed", "measured_curves"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SIZES = {197: 24, 577: 40}
"""Most tokens, and the probes for them: 224 and 384 pixels in patches of 16."""

_ATTENTION = ("input_layernorm", "q_proj", "k_proj", "v_proj", "rope", "attn", "o_proj")


@dataclass(frozen=True, slots=True)
class Replayed:
    """A latency curve that is known whole.

    Attributes:
        family: the line of the table in which it stands.
        name: of this curve.
        counts: shape (C,), tokens, ascending.
        latency_ns: shape (C,), whole nanoseconds: what is taken for the truth.
        probes: counts that may be measured.
    """

    family: str
    name: str
    counts: Ints
    latency_ns: Ints
    probes: int

    @property
    def dense(self) -> bool:
        """Whether no count is missing between the first and the last."""
        return int(self.counts[-1] - self.counts[0]) == len(self.counts) - 1


def measured_curves() -> list[Replayed]:
    """Every curve in the folder of readings.

    Raises:
        SystemExit: the readings are not there.
    """
    folder = data_folder()
    for name in ("dense_curves", "vidur", "gemm_bf16"):
        if not (folder / name).is_dir():
            sys.exit(f"{folder}: no {name} here; set LATMODEL_DATA to the folder of readings")
    return [*_rtx3090(folder), *_vidur(folder), *_gemm(folder)]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _medians(readings: Iterable[tuple[str, int, float]]) -> dict[str, dict[int, float]]:
    """Per operator and count: the median reading."""
    found: dict[str, dict[int, list[float]]] = {}
    for operator, count, latency_ns in readings:
        found.setdefault(operator, {}).setdefault(count, []).append(latency_ns)
    return {
        operator: {count: float(np.median(values)) for count, values in by_count.items()}
        for operator, by_count in found.items()
    }


def _sum(operators: Iterable[dict[int, float]]) -> tuple[Ints, Ints]:
    """Counts that every operator has, and the sum of all at each."""
    present = list(operators)
    counts = sorted(set.intersection(*(set(operator) for operator in present)))
    sums = [sum(operator[count] for operator in present) for count in counts]
    return np.array(counts), np.rint(sums).astype(np.int64)


def _cut(family: str, name: str, curve: tuple[Ints, Ints], limit: int, probes: int) -> Replayed:
    counts, latency_ns = curve
    use = counts <= limit
    return Replayed(family, f"{name}, {limit}", counts[use], latency_ns[use], probes)


def _rtx3090(folder: Path) -> Iterator[Replayed]:
    parts: dict[str, Callable[[str], bool]] = {
        "block": lambda _: True,
        "attention": lambda layer: layer in _ATTENTION,
        "MLP": lambda layer: layer not in _ATTENTION,
    }
    for ranks in (1, 2):
        layers = _medians(
            (row["layer"], int(row["tokens"]), float(row["latency_us"]) * 1e3)
            for row in _rows(folder / "dense_curves" / f"rtx3090_llama8b_tp{ranks}.csv.gz")
        )
        for part, belongs in parts.items():
            curve = _sum(read for layer, read in layers.items() if belongs(layer))
            for limit, probes in SIZES.items():
                family = f"RTX 3090, {limit}"
                yield _cut(family, f"RTX 3090 tp{ranks} {part}", curve, limit, probes)


def _vidur(folder: Path) -> Iterator[Replayed]:
    for device in ("A40", "A100"):
        rows = [
            row
            for row in _rows(folder / "vidur" / f"{device.lower()}.csv.gz")
            if row["op"] != "emb"
        ]
        for model, ranks in sorted({(row["model"], row["tensor_parallel"]) for row in rows}):
            operators = _medians(
                (row["op"], int(row["tokens"]), float(row["median_us"]) * 1e3)
                for row in rows
                if (row["model"], row["tensor_parallel"]) == (model, ranks)
            )
            curve = _sum(operators.values())
            for limit, probes in ((200, SIZES[197]), (577, SIZES[577])):
                name = f"{device} {model} tp{ranks}"
                yield _cut(f"Vidur, {limit}", name, curve, limit, probes)


def _gemm(folder: Path) -> Iterator[Replayed]:
    for device in ("H200", "L40S", "A100"):
        products = _medians(
            (f"{row['n']} x {row['k']}", int(row["m"]), float(row["latency_us"]) * 1e3)
            for row in _rows(folder / "gemm_bf16" / f"{device.lower()}_trtllm.csv.gz")
        )
        for width in range(64, 4097, 64):
            shapes = [(3, 1), (1, 1), (4, 1), (1, 4)]  # qkv, projection, the MLP's two
            names = [f"{n * width} x {k * width}" for n, k in shapes]
            if products.keys() >= set(names):
                curve = _sum(products[name] for name in names)
                # Half of the counts: 20 of 41, on the A100 8 of 16.
                probes = int((curve[0] <= max(SIZES)).sum()) // 2
                yield _cut("GEMM", f"{device} width {width}", curve, max(SIZES), probes)
