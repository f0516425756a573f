"""How the Jetson Orin Nano Super and the Orin NX are fitted.

Both boards have the silicon of the AGX Orin: half of its multiprocessors, fewer and slower
CPU cores of the same kind. What was read on them is square products and, on the Nano, one
model at seven token counts; the rest is the AGX Orin's, moved.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jetson_fitting import LOWEST_GHZ, MAXN, Mode, moved
from model_operators import operators_of, rotary, whole
from orin_readings import VJEPA, Counted, cublas_squares, smallest_ns, torch_squares

from latmodel.operator_fitting import fit, parameters, with_parameters
from latmodel.slowdowns import Governor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from latmodel.operator_fitting import Reading
    from latmodel.operators import OperatorModel

__all__ = [
    "FLOOR_TOKENS",
    "NANO",
    "NX",
    "at_clock",
    "bare",
    "fit_host",
    "fit_kernels",
    "nano_model",
    "squares",
    "vjepa_ns",
    "with_rotary",
]

AGX_CPU_GHZ = 2.2016
FLOOR_TOKENS = 512
"""Counts up to it fit the host; those above it are held out."""


class Board(NamedTuple):
    """A board in its fastest mode. Source: NVIDIA Jetson Linux Developer Guide r36.3."""

    mode: Mode
    cpu_ghz: float
    clocks: dict[str, float]  # of the modes in which products were read, in GHz


NANO = Board(
    Mode("MAXN_SUPER", 8, 1.02, 102.0, MAXN.tile),
    1.728,
    {"15W": 0.612, "25W": 0.918, "MAXN_SUPER": 1.02},
)
NX = Board(Mode("MAXN", 8, 0.918, 102.0, MAXN.tile), 1.984, {})

SPREAD_FP32 = {
    "products.0.kernels.0.element_ns": 0.5,
    "products.0.kernels.0.first_element_ns": 0.7,
}
SPREAD_FP16 = {"products.1.kernels.0.element_ns": 1.0}


def bare(model: OperatorModel, *, governed: bool) -> OperatorModel:
    """The model without launches, and without a governor where clocks held."""
    launches = {p: 0.0 for p in parameters(model) if p.startswith("products") and "launch" in p}
    model = with_parameters(model, launches)
    if governed:
        return model
    return replace(model, products=tuple(replace(p, governor=None) for p in model.products))


def at_clock(readings: Sequence[Reading], ghz: float) -> list[Reading]:
    """Readings at a clock, as they would be at the Nano's highest one: cycles are kept."""
    return [
        replace(reading, latency_ns=reading.latency_ns * ghz / NANO.mode.ghz)
        for reading in readings
    ]


def squares(folder: Path, without: str = "") -> list[Reading]:
    """The C harness's fp32 products of every power mode but one."""
    return [
        reading
        for mode, ghz in NANO.clocks.items()
        if mode != without
        for reading in at_clock(cublas_squares(folder, mode), ghz)
    ]


def moved_to(board: Board, agx: OperatorModel) -> OperatorModel:
    """The AGX Orin's operators on a smaller board, its host scaled by the CPU's clock."""
    model = moved(agx, MAXN, board.mode, AGX_CPU_GHZ / board.cpu_ghz)
    ramp_ns = parameters(agx)["products.0.governor.ramp_ns"]
    governor = Governor(extra=board.mode.ghz / LOWEST_GHZ - 1, ramp_ns=ramp_ns)
    return replace(
        model, products=tuple(replace(part, governor=governor) for part in model.products)
    )


def fit_kernels(folder: Path, agx: OperatorModel, without: str = "") -> OperatorModel:
    """The Nano's kernels: fp32 from locked clocks, 16 bits from torch's largest squares.

    Smaller squares of torch ran at a clock that was still rising. In 16 bits a square of
    2048 takes 5.9 ms at 612 MHz and 5.3 at 1020: a cache of 2 MB reads memory again and
    again. Fused attention, whose keys fit that cache, keeps the AGX Orin's cycles.
    """
    start = moved_to(NANO, agx)
    locked = fit(
        squares(folder, without), prior=bare(start, governed=False), spread=SPREAD_FP32
    )
    largest = torch_squares(
        folder, "jetson_orin_nano_gpu", "MAXNSUPER", ("fp16", "bf16"), (2048,)
    )
    half = fit(largest, prior=bare(start, governed=True), spread=SPREAD_FP16)
    found = {path: parameters(locked)[path] for path in SPREAD_FP32}
    model = with_parameters(start, found | {p: parameters(half)[p] for p in SPREAD_FP16})
    single, both = model.products
    linear, attention = start.products[1].launch_ns[:2], start.products[1].launch_ns[2:]
    both = replace(both, kinds=("linear", "bmm"), launch_ns=linear)
    fused = replace(start.products[1], kinds=("attention",), launch_ns=attention)
    return replace(model, products=(single, both, fused))


def nano_model(
    folder: Path, agx: OperatorModel, rows: Sequence[Counted]
) -> tuple[OperatorModel, float]:
    """The Nano's operators, and the factor on its launches."""
    gap_ns = smallest_ns(folder, NANO.mode.name)
    return fit_host(replace(fit_kernels(folder, agx), gap_ns=gap_ns), rows)


def fit_host(model: OperatorModel, rows: Sequence[Counted]) -> tuple[OperatorModel, float]:
    """Every launch times one factor, so that V-JEPA's floor comes out."""
    floors = [row for row in rows if row.workload.tokens <= FLOOR_TOKENS]
    factor = float(
        np.exp(np.mean([np.log(row.latency_ns / vjepa_ns(model, row)) for row in floors]))
    )
    values = {p: v * factor for p, v in parameters(model).items() if ".launch_ns" in p}
    return with_parameters(model, values), factor


def with_rotary(model: OperatorModel) -> OperatorModel:
    """The model with the launches of V-JEPA's rotary embedding counted to attention's."""
    launches = float(whole(model, rotary(VJEPA), dtype="fp16").host_ns[0]) / VJEPA.depth
    return replace(
        model,
        products=tuple(
            replace(
                part,
                launch_ns=tuple(
                    ns + launches * (kind == "attention")
                    for kind, ns in zip(part.kinds, part.launch_ns, strict=True)
                ),
            )
            for part in model.products
        ),
    )


def vjepa_ns(model: OperatorModel, row: Counted) -> float:
    """V-JEPA 2's ViT-L at one count, rotary embedding and all, in eager mode."""
    uses = operators_of(row.workload) + rotary(row.workload)
    return float(whole(model, uses, dtype="fp16").latency_ns("eager")[0])
