"""A model of a device, and boards that differ from it in known ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latmodel.forest import Forest
from latmodel.kernels import Kernel
from latmodel.operator_kinds import DIMS, Span
from latmodel.operator_readings import OperatorReadings
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.slowdowns import Governor, Throttle
from latmodel.streams import StreamModel
from latmodel.trees import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latmodel.slowdowns import Floats

KERNELS = (
    Kernel(
        name="large",
        tile_rows=64,
        tile_columns=128,
        wave_ns=400.0,
        element_ns=60.0,
        first_element_ns=20.0,
        splits=(1, 4),
        split_ns=3.0,
    ),
    Kernel(name="small", tile_rows=32, tile_columns=32, element_ns=12.0, first_element_ns=6.0),
)

MODEL = OperatorModel(
    products=(
        ProductModel(
            kinds=("linear",),
            dtypes=("fp32",),
            sms=8,
            bandwidth_gb_s=60.0,
            launch_ns=(30_000.0,),
            kernels=KERNELS,
            choice=Tree.parse("rows<=48 1 0"),
            throttle=Throttle(extra=0.5, ramp_ns=3e6),
            correction=Forest.parse(("busy<=200000 300 -200", "cols<=512 100 -50")),
            relative_error=0.08,
            fitted=(Span("rows", 16, 512), Span("columns", 64, 2048)),
        ),
        ProductModel(
            kinds=("bmm", "attention"),
            dtypes=("fp32",),
            sms=8,
            bandwidth_gb_s=60.0,
            launch_ns=(25_000.0, 45_000.0),
            kernels=KERNELS[1:],
            governor=Governor(extra=0.8, ramp_ns=2e5),
        ),
    ),
    streams=(
        StreamModel(
            kinds=("softmax", "norm", "gelu", "add"),
            dtypes=("fp32",),
            sms=8,
            bandwidth_gb_s=45.0,
            launch_ns=(20_000.0, 24_000.0, 18_000.0, 18_000.0),
            correction=Forest.parse(("width<=512 0 400",)),
        ),
    ),
    gap_ns=3_000.0,
)

_LARGEST = {
    "linear": (512, 2048, 2048),
    "bmm": (24, 256, 256, 256),
    "attention": (4, 12, 256, 256, 64),
    **dict.fromkeys(("softmax", "norm", "gelu", "add"), (2048, 2048)),
}


def shapes(kind: str, count: int, *, seed: int = 0) -> OperatorReadings:
    """Random shapes of one kind, logarithms evenly spread; latencies are to be read."""
    random = np.random.default_rng([seed, list(DIMS).index(kind)])
    sizes = {
        name: np.floor(np.exp(random.uniform(0, np.log(most + 1), count)))
        for name, most in zip(DIMS[kind], _LARGEST[kind], strict=True)
    }
    return readings(kind, sizes, np.ones(count))


def readings(kind: str, sizes: dict[str, Floats], latency_ns: Floats) -> OperatorReadings:
    """Readings in fp32 of kernels without a name."""
    return OperatorReadings(
        kind=kind,
        dtype="fp32",
        sizes=sizes,
        latency_ns=latency_ns,
        kernels=np.full(len(latency_ns), ""),
        splits=np.zeros(len(latency_ns), dtype=np.int64),
    )


def read_on(
    board: OperatorModel, kinds: Sequence[str], each: int, *, noise: float = 0.0, seed: int = 0
) -> tuple[OperatorReadings, ...]:
    """What a board answers to random shapes of some kinds, `each` of every kind.

    Args:
        board: the truth.
        kinds: that are read.
        each: shapes of a kind.
        noise: one standard deviation of a reading's logarithm.
        seed: of shapes and noise.
    """
    found = []
    for kind in kinds:
        asked = shapes(kind, each, seed=seed)
        random = np.random.default_rng([seed + 1, list(DIMS).index(kind)])
        exact = board.cost(kind, asked.sizes).latency_ns
        read = exact * np.exp(noise * random.standard_normal(each))
        found.append(readings(kind, dict(asked.sizes), read))
    return tuple(found)
