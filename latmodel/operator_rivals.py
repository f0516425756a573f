"""Simpler predictors of an operator's latency: what a fitted model must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latmodel.operator_kinds import DIMS, PRODUCTS, STREAMS, itemsize
from latmodel.shapes import product_of

if TYPE_CHECKING:
    from latmodel.operator_readings import OperatorReadings
    from latmodel.slowdowns import Floats

__all__ = ["Errors", "boosted_trees_ns", "calibrated_roofline_ns", "errors_of", "roofline_ns"]

_NOISE = 0.05
"""The fraction by which a sound reading may be off: larger errors pull less and less."""


class Errors(NamedTuple):
    """How far predictions are from readings, in percent.

    Attributes:
        mean: mean absolute error.
        median: median absolute error.
        within_10: share of the readings that are met within 10 %.
    """

    mean: float
    median: float
    within_10: float


def errors_of(predicted_ns: Floats, read_ns: Floats) -> Errors:
    """Compare predictions with readings, each of shape (n,), as fractions of the reading.

    >>> errors_of(np.array([100.0, 105.0, 130.0]), np.array([100.0, 100.0, 100.0]))
    Errors(mean=11.67, median=5.0, within_10=66.67)
    """
    off = 100.0 * np.abs(predicted_ns / read_ns - 1.0)
    figures = (np.mean(off), np.median(off), 100.0 * np.mean(off <= 10.0))
    return Errors(*(round(float(figure), 2) for figure in figures))


def roofline_ns(
    readings: OperatorReadings, *, peak_gflops: float | None, bandwidth_gb_s: float
) -> Floats:
    """The sheet taken at its word: the slower of arithmetic and memory, no launch.

    Args:
        readings: the shapes.
        peak_gflops: one fused multiply-add counted as two; None to leave arithmetic out.
        bandwidth_gb_s: memory bandwidth, in GB/s.
    """
    flops, moved = _work(readings)
    memory_ns = moved / bandwidth_gb_s
    return memory_ns if peak_gflops is None else np.maximum(memory_ns, flops / peak_gflops)


def calibrated_roofline_ns(seen: OperatorReadings, asked: OperatorReadings) -> Floats:
    """A roofline whose launch, peak and bandwidth are fitted to `seen`, for `asked`."""
    from scipy.optimize import least_squares  # noqa: PLC0415 (slow to import)

    flops, moved = _work(seen)
    arithmetic = bool(np.any(flops > 0))
    start = [
        float(np.percentile(seen.latency_ns, 2)),
        float(np.percentile(moved / seen.latency_ns, 95)),
        *([float(np.percentile(flops / seen.latency_ns, 95))] if arithmetic else []),
    ]

    def predict(logs: Floats, flops: Floats, moved: Floats) -> Floats:
        launch_ns, bandwidth, *peak = np.exp(logs).tolist()
        busy_ns = moved / bandwidth
        latency_ns: Floats = launch_ns + np.maximum(busy_ns, flops / peak[0] if peak else 0.0)
        return latency_ns

    def residuals(logs: Floats) -> Floats:
        off: Floats = np.log(predict(logs, flops, moved) / seen.latency_ns)
        return off

    best = least_squares(residuals, np.log(start), loss="soft_l1", f_scale=_NOISE)
    return predict(best.x, *_work(asked))


def boosted_trees_ns(seen: OperatorReadings, asked: OperatorReadings) -> Floats:
    """Boosted trees on the logs of the dimensions, fitted to `seen`, for `asked`."""
    # Slow to import, and only a comparison needs them.
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    trees = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=300, max_leaf_nodes=31, random_state=0
    )
    with threadpool_limits(1):  # small steps: threads would wait for each other
        trees.fit(_logs(seen), np.log(seen.latency_ns))
        predicted_ns: Floats = np.exp(trees.predict(_logs(asked)))
    return predicted_ns


def _logs(readings: OperatorReadings) -> Floats:
    logs: Floats = np.log(np.stack([readings.sizes[n] for n in DIMS[readings.kind]], axis=1))
    return logs


def _work(readings: OperatorReadings) -> tuple[Floats, Floats]:
    """Floating-point operations and bytes of each reading."""
    width = itemsize(readings.dtype)
    if readings.kind in PRODUCTS:
        product = product_of(readings.kind, readings.sizes)
        return 2.0 * product.outputs * product.reduction, product.moved * width
    numbers = readings.sizes["rows"] * readings.sizes["width"]
    return np.zeros(len(readings)), STREAMS[readings.kind] * numbers * width
