"""A device with known kernels, and readings of it: what a fit is to find again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from latmodel.kernels import Kernel
from latmodel.operator_kinds import DIMS, STREAMS, itemsize
from latmodel.operator_readings import OperatorReadings
from latmodel.products import ProductModel
from latmodel.shapes import product_of
from latmodel.slowdowns import Floats, Throttle
from latmodel.trees import Tree

__all__ = [
    "BANDWIDTH_GB_S",
    "DEVICE",
    "FASTEST",
    "NOISE",
    "SMS",
    "read",
    "read_unnamed",
    "shapes",
    "stream_readings",
]

SMS, BANDWIDTH_GB_S = 20, 400.0
"""What its specification says."""

NOISE = 0.01
"""One standard deviation of a reading, as a fraction."""

DEVICE = ProductModel(
    kinds=("linear", "bmm"),
    dtypes=("fp32",),
    sms=SMS,
    bandwidth_gb_s=280.0,
    launch_ns=(9000.0, 12_000.0),
    kernels=(
        Kernel(
            name="made_sgemm_128x64_tn",
            tile_rows=64,
            tile_columns=128,
            tile_reduction=8,
            wave_ns=900.0,
            element_ns=70.0,
            first_element_ns=25.0,
            evenness=0.9,
        ),
        Kernel(
            name="made_sgemm_64x32_sliced1x4_tn",
            tile_rows=32,
            tile_columns=64,
            tile_reduction=8,
            wave_ns=600.0,
            element_ns=22.0,
            first_element_ns=12.0,
            evenness=0.6,
            split_choice=Tree.parse("red<=1024 1 4"),
            split_ns=40.0,
        ),
    ),
    choice=Tree.parse("out<=250000 1 0"),
    throttle=Throttle(extra=0.3, ramp_ns=2e6),
)
"""Of small outputs the second kernel runs, and of long reductions splits them in four."""

FASTEST = replace(
    DEVICE,
    choice=None,
    kernels=tuple(
        replace(kernel, split_choice=None, splits=(1, 2, 4, 8, 16), split_ns=40.0)
        for kernel in DEVICE.kernels
    ),
)
"""The same, of which always the fastest kernel runs, in the cheapest split."""


def shapes(kind: str, count: int, *, seed: int) -> dict[str, Floats]:
    """Sizes from 8 to 2048, small ones as often as large ones; batches up to 16."""
    random = np.random.default_rng(seed)
    sizes: dict[str, Floats] = {}
    for name in DIMS[kind]:
        most = 16 if name == "batch" else 2048
        least = 1 if name == "batch" else 8
        logs = random.uniform(np.log(least), np.log(most), count)
        sizes[name] = np.asarray(np.exp(logs).round(), dtype=np.float64)
    return sizes


def read(
    kind: str,
    sizes: Mapping[str, Floats],
    *,
    seed: int,
    noise: float = NOISE,
) -> OperatorReadings:
    """Noisy timings of `DEVICE`, with the kernels that ran and their splits."""
    costs = DEVICE.costs_of(product_of(kind, sizes))
    chosen = costs.features["kernel"].astype(int)
    splits = np.stack(
        [
            np.broadcast_to(kernel.chosen_splits(costs.features)[0], len(chosen))
            for kernel in DEVICE.kernels
        ]
    )
    random = np.random.default_rng(seed)
    exact_ns = DEVICE.launch_of(kind) + costs.busy_ns
    return OperatorReadings(
        kind=kind,
        dtype="fp32",
        sizes=sizes,
        latency_ns=exact_ns * np.exp(random.normal(0, noise, len(chosen))),
        kernels=np.array([kernel.name for kernel in DEVICE.kernels])[chosen],
        splits=splits[chosen, np.arange(len(chosen))].astype(np.int64),
    )


def read_unnamed(
    kind: str, sizes: Mapping[str, Floats], *, seed: int, noise: float = NOISE
) -> OperatorReadings:
    """Noisy timings of `FASTEST`, of which nobody wrote down the kernels."""
    random = np.random.default_rng(seed)
    busy_ns = FASTEST.costs_of(product_of(kind, sizes)).busy_ns
    exact_ns = FASTEST.launch_of(kind) + busy_ns
    return OperatorReadings(
        kind=kind,
        dtype="fp32",
        sizes=sizes,
        latency_ns=exact_ns * np.exp(random.normal(0, noise, len(busy_ns))),
        kernels=np.full(len(busy_ns), ""),
        splits=np.zeros(len(busy_ns), dtype=np.int64),
    )


def stream_readings(kind: str, count: int, *, seed: int) -> OperatorReadings:
    """5 us and 200 GB/s; where rows are no multiple of four numbers, a tenth more."""
    random = np.random.default_rng(seed)
    rows = np.exp(random.uniform(0, 10, count)).round()
    width = np.exp(random.uniform(2, 8, count)).round()
    odd = np.where(width % 4 == 0, 1.0, 1.1)
    exact_ns = (5000.0 + STREAMS[kind] * rows * width * itemsize("fp32") / 200.0) * odd
    return OperatorReadings(
        kind=kind,
        dtype="fp32",
        sizes={"rows": rows, "width": width},
        latency_ns=exact_ns * np.exp(random.normal(0, NOISE, count)),
        kernels=np.full(count, ""),
        splits=np.zeros(count, dtype=np.int64),
    )
