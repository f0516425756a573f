"""Make the shipped profiles of older Jetsons: the AGX Orin's cycles on other silicon.

    python benchmarks/fit_older_jetsons.py --out data

Nothing of these boards is fitted. The one model that was read on all of them checks the
scaling: EfficientFormer-l1 does as many multiply-adds as ViT-tiny, so the ratio of a board
to the AGX Orin should be about that of ViT-tiny.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from board_rows import NETSPRESSO, board_ns
from edge_ranges import ranged, with_error
from edge_writing import run
from jetson_fitting import MAXN, Mode, fit_maxn, moved, read
from jetson_scoring import held_out, rounded, with_errors
from model_operators import operators_of, ungoverned, whole
from orin_readings import smallest_ns

from latmodel.operator_fitting import parameters, with_parameters
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.workloads import find_workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from latmodel.operators import OperatorModel

RELATIVE_ERROR = 0.5
"""A guess: no operator and no vision transformer was read on these boards."""

_SCALED = (
    "no operator and no vision transformer was measured on this board: the AGX Orin scaled by "
    "the specification, and an error that is a guess; measure before relying"
)


class Older(NamedTuple):
    """An older board, by its specification.

    Attributes:
        name: of the profile.
        device: in words.
        row: its name in the device matrix.
        mode: multiprocessors, clock, bandwidth; the tile is the AGX Orin's.
        fp32: cycles of a multiprocessor over the AGX Orin's, which does 256 operations in one.
        fp16: the same in 16 bits, of which the AGX Orin's tensor cores do 2048.
        host: how much slower its CPU dispatches; a guess from core and clock.
        cpu: that core and clock.
    """

    name: str
    device: str
    row: str
    mode: Mode
    fp32: float
    fp16: float
    host: float
    cpu: str


BOARDS = (
    Older(
        "jetson-xavier",
        "NVIDIA Jetson AGX Xavier",
        "Jetson Xavier",
        Mode("maxn", 8, 1.377, 137.0, MAXN.tile),
        fp32=256 / 128,
        fp16=2048 / 1024,
        host=1.3,
        cpu="Carmel at 2.27 GHz",
    ),
    Older(
        "jetson-tx2",
        "NVIDIA Jetson TX2",
        "Jetson TX2",
        Mode("maxn", 2, 1.3, 59.7, MAXN.tile),
        fp32=256 / 256,
        fp16=2048 / 512,
        host=2.6,
        cpu="Cortex-A57 at 2.04 GHz",
    ),
    Older(
        "jetson-nano",
        "NVIDIA Jetson Nano",
        "Jetson Nano",
        Mode("maxn", 1, 0.92, 25.6, MAXN.tile),
        fp32=256 / 256,
        fp16=2048 / 512,
        host=3.7,
        cpu="Cortex-A57 at 1.43 GHz",
    ),
)


def scaled(agx: OperatorModel, board: Older) -> OperatorModel:
    """The AGX Orin's operators on another board, in the number formats that it has."""
    model = moved(agx, MAXN, board.mode, board.host)
    factors = {"products.0.": board.fp32, "products.1.": board.fp16}
    slower = {
        path: value * factor
        for path, value in parameters(model).items()
        for start, factor in factors.items()
        if path.startswith(start) and path.endswith("element_ns")
    }
    model = with_parameters(model, slower)
    single, half = model.products
    return replace(
        model,
        products=(single, replace(half, dtypes=("fp16",))),
        streams=tuple(replace(part, dtypes=("fp32", "fp16")) for part in model.streams),
    )


def graph_ns(model: OperatorModel) -> float:
    """ViT-tiny in fp16 from a graph, at a clock that is held up."""
    tiny = find_workload("vit_tiny_patch16_224", dtype="fp16")
    return float(whole(ungoverned(model), operators_of(tiny), dtype="fp16").device_ns[0])


def ratio_figure(folder: Path, agx: OperatorModel, board: Older) -> ErrorFigure:
    """The predicted ratio to the AGX Orin, against the one that was read."""
    ours = graph_ns(scaled(agx, board)) / graph_ns(agx)
    model = "EfficientFormer-l1"
    theirs = board_ns(folder, board.row, model) / board_ns(folder, "Jetson AGX Orin", model)
    return ErrorFigure(
        what=(
            f"ViT-tiny's ratio to the AGX Orin as a graph in fp16, {ours:.2f}, against that "
            f"of EfficientFormer-l1 in TensorRT, {theirs:.2f}"
        ),
        mean_percent=round(100 * abs(ours / theirs - 1), 1),
        rows=1,
    )


def profiles(folder: Path) -> Iterator[DeviceProfile]:
    """The profiles of the older boards."""
    readings = read(folder)
    agx = with_errors(fit_maxn(readings), held_out(readings, MAXN))
    gap_ns = smallest_ns(folder, "MAXN_SUPER") * 1.02 / MAXN.ghz
    agx = replace(agx, gap_ns=gap_ns)
    read_there = [o for row in readings.rows["maxn"] for o in row.reading.operators]
    for board in BOARDS:
        model = ranged(scaled(agx, board), read_there)
        yield _profile(
            board, rounded(with_error(model, RELATIVE_ERROR)), ratio_figure(folder, agx, board)
        )


def _profile(board: Older, model: OperatorModel, figure: ErrorFigure) -> DeviceProfile:
    mode = board.mode
    derived = (
        f"everything: the AGX Orin's cycles at {mode.ghz} GHz on {mode.sms} multiprocessors, "
        f"times {board.fp32:g} in fp32 and {board.fp16:g} in fp16 for what one of them does in "
        f"a cycle; {mode.bandwidth_gb_s:g} GB/s; launches times {board.host} for the CPU "
        f"({board.cpu}), a guess; no bf16, which this silicon lacks"
    )
    return DeviceProfile(
        name=board.name,
        device=f"{board.device}, torch eager, scaled from the specification",
        confidence="low",
        provenance=(
            Provenance(
                source="https://github.com/branes-ai/graphs, commit b6c5e82",
                licence="MIT",
                measured="nothing on this board: a Jetson AGX Orin 64GB at MAXN",
                derived=derived,
            ),
            Provenance(
                source=NETSPRESSO,
                licence="Apache-2.0",
                measured="EfficientFormer-l1 in TensorRT, fp16, on this board and the AGX Orin",
                derived="nothing: the error figure is of their ratio",
            ),
        ),
        errors=(figure,),
        warnings=(_SCALED,),
        operators=model,
    )


if __name__ == "__main__":
    run(profiles, __doc__)
