"""Operator timings of a made-up device, by a rule that a test can state."""

from __future__ import annotations

import numpy as np

from latmodel.operator_kinds import DIMS, PRODUCTS, STREAMS, itemsize
from latmodel.operator_readings import OperatorReadings
from latmodel.shapes import product_of
from latmodel.slowdowns import Floats

__all__ = ["BANDWIDTH_GB_S", "LAUNCH_NS", "PEAK_GFLOPS", "SMS", "made_up_readings"]

SMS, BANDWIDTH_GB_S, PEAK_GFLOPS, LAUNCH_NS = 10, 100.0, 2000.0, 5000.0


def made_up_readings(kind: str, *, dtype: str = "fp32", count: int = 150) -> OperatorReadings:
    """A launch, and the slower of arithmetic and memory at half of the sheet's numbers."""
    random = np.random.default_rng(0)
    sizes: dict[str, Floats] = {}
    for name in DIMS[kind]:
        sizes[name] = np.asarray(np.exp(random.uniform(2.0, 6.5, count)).round(), np.float64)
    latency_ns = LAUNCH_NS + 2.0 * np.maximum(*_sheet_ns(kind, sizes, itemsize(dtype)))
    return OperatorReadings(
        kind=kind,
        dtype=dtype,
        sizes=sizes,
        latency_ns=latency_ns,
        kernels=np.full(count, "made_sgemm_32x32_tn" if kind in PRODUCTS else ""),
        splits=np.zeros(count, dtype=np.int64),
    )


def _sheet_ns(kind: str, sizes: dict[str, Floats], width: int) -> tuple[Floats, Floats]:
    if kind in STREAMS:
        numbers = sizes["rows"] * sizes["width"]
        return np.zeros_like(numbers), STREAMS[kind] * numbers * width / BANDWIDTH_GB_S
    product = product_of(kind, sizes)
    flops = 2.0 * product.outputs * product.reduction
    return flops / PEAK_GFLOPS, product.moved * width / BANDWIDTH_GB_S
