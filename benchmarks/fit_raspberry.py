"""Make the shipped profiles of the Raspberry Pi 4 and 5 from one reading each.

    python benchmarks/fit_raspberry.py --out data

ViT-tiny in TFLite gives one number per board: what a core takes per multiply-add. Two
models of other kinds, read with the same runtime, say how far such a number carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from board_rows import GIGA_MACS, NETSPRESSO, board_ns
from edge_ranges import ranged, with_error
from edge_writing import run
from jetson_scoring import rounded
from model_operators import operators_of

from latmodel.kernels import Kernel
from latmodel.operator_fitting import Reading, fit
from latmodel.operator_kinds import STREAMS, Operator
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.streams import StreamModel
from latmodel.workloads import find_workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DTYPES = ("fp32", "fp16")  # weights of 16 bits, arithmetic of 32: both cost the same
TILE = (6, 8)  # of XNNPACK's fp32 micro-kernel on 64-bit Arm
LAUNCH_NS = 5e3  # an interpreter's step from one operator to the next; too little to matter

_ONE = (
    "one reading of one model, threads and clock not stated: only ViT-tiny's latency was seen, "
    "and no held-out figure is of a vision transformer"
)
_SUM = "TFLite dispatches nothing ahead: operators follow one another (mode sum)"


class Board(NamedTuple):
    """A board: its name in the device matrix, its core, and what the core could do.

    `flops` are operations of one core in a cycle; `gb_s` is what one core copies.
    """

    name: str
    device: str
    row: str
    ghz: float
    flops: float
    gb_s: float
    odd: str


BOARDS = (
    Board(
        "raspberry-pi-4",
        "Raspberry Pi 4B, Cortex-A72, TFLite",
        "Raspberry Pi 4B",
        ghz=1.5,
        flops=8.0,
        gb_s=4.0,
        odd="",
    ),
    Board(
        "raspberry-pi-5",
        "Raspberry Pi 5, Cortex-A76, TFLite",
        "Raspberry Pi 5",
        ghz=2.4,
        flops=16.0,
        gb_s=5.2,
        odd=(
            "ViT-tiny was read slower here (306 ms) than on a Raspberry Pi 4 (286 ms), though "
            "two other models ran twice as fast: that reading, on which all rests, may be odd"
        ),
    ),
)


def specification(board: Board) -> OperatorModel:
    """One core at 60 % of its peak: what is known before the reading."""
    rows, columns = TILE
    kernel = Kernel(
        name=f"{rows}x{columns}",
        tile_rows=rows,
        tile_columns=columns,
        element_ns=rows * columns * 2 / (0.6 * board.flops * board.ghz),
        evenness=0.0,  # a core goes from tile to tile
    )
    product = ProductModel(
        kinds=("linear", "bmm"),
        dtypes=DTYPES,
        sms=1,
        bandwidth_gb_s=board.gb_s,
        launch_ns=(LAUNCH_NS, LAUNCH_NS),
        kernels=(kernel,),
    )
    stream = StreamModel(
        kinds=tuple(STREAMS),
        dtypes=DTYPES,
        sms=1,
        bandwidth_gb_s=board.gb_s,
        launch_ns=(LAUNCH_NS,) * len(STREAMS),
    )
    return OperatorModel(products=(product,), streams=(stream,), mode="sum")


def fitted(board: Board, latency_ns: float) -> OperatorModel:
    """The core whose ViT-tiny takes the time that was read."""
    workload = find_workload("vit_tiny_patch16_224")
    operators: list[Operator] = [
        use.operator for use in operators_of(workload, fused=False) for _ in range(use.repeats)
    ]
    reading = Reading(operators=tuple(operators), dtype="fp32", latency_ns=latency_ns)
    known = {"products.0.kernels.0.element_ns": 2.0}
    model = fit([reading], prior=specification(board), spread=known, noise=0.01)
    return rounded(ranged(model, operators))


def spread(folder: Path, board: Board) -> list[float]:
    """Logs of ViT-tiny's time per multiply-add over that of the two other models."""
    per_mac = {m: board_ns(folder, board.row, m) / macs for m, macs in GIGA_MACS.items()}
    own = per_mac.pop("ViT-tiny")
    return [float(np.log(own / other)) for other in per_mac.values()]


def profiles(folder: Path) -> Iterator[DeviceProfile]:
    """The profiles of both boards."""
    for board in BOARDS:
        logs = spread(folder, board)
        error = round(float(np.max(np.abs(logs))), 2)
        model = fitted(board, board_ns(folder, board.row, "ViT-tiny"))
        model = with_error(model, error)
        figure = ErrorFigure(
            what=(
                "ViT-tiny from the time per multiply-add of EfficientFormer-l1 and MobileViT-s "
                "on the same board; the ViT-tiny that was fitted has no figure of its own"
            ),
            mean_percent=round(100 * abs(float(np.exp(-np.mean(logs))) - 1), 1),
            rows=1,
        )
        yield _profile(board, model, figure)


def _profile(board: Board, model: OperatorModel, figure: ErrorFigure) -> DeviceProfile:
    derived = (
        "every operator: one number, the time of a multiply-add, from the one reading; a "
        f"{TILE[0]} x {TILE[1]} micro-kernel on one core at {board.ghz} GHz, which is what the "
        f"rates of all three models look like, and {board.gb_s:g} GB/s from the "
        "specification; softmax, norm and gelu as memory traffic alone; fp32 as the fp16 file, "
        "whose arithmetic has 32 bits"
    )
    return DeviceProfile(
        name=board.name,
        device=board.device,
        confidence="low",
        provenance=(
            Provenance(
                source=NETSPRESSO,
                licence="Apache-2.0",
                measured=(
                    "ViT-tiny, EfficientFormer-l1 and MobileViT-s whole in TFLite, fp16, one "
                    "image, one reading each"
                ),
                derived=derived,
            ),
        ),
        errors=(figure,),
        warnings=(_ONE, _SUM, *([board.odd] if board.odd else [])),
        operators=model,
    )


if __name__ == "__main__":
    run(profiles, __doc__)
