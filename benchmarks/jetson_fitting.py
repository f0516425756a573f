"""How the Jetson AGX Orin is fitted: what is assumed, what is read, in which order.

Two steps. At 30 W the board runs 8 of its 16 multiprocessors at 612 MHz, so slowly that
the governor holds that clock: those fp32 readings give the tile kernel in clock cycles.
At MAXN the governor moves between 306 and 1300 MHz with the load: those readings give the
launch floors, the 16-bit kernel, and what the governor costs.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jetson_readings import Row, read_segments, read_squares

from latmodel.kernels import Throttle
from latmodel.operator_fitting import (
    Reading,
    fit,
    parameters,
    predict_ns,
    prior_from_spec,
    with_parameters,
)
from latmodel.operator_kinds import PerKind

if TYPE_CHECKING:
    from pathlib import Path

    from latmodel.operators import OperatorModel

__all__ = [
    "MAXN",
    "TILES",
    "WATT_15",
    "WATT_30",
    "Readings",
    "fit_30w",
    "fit_maxn",
    "fit_roofline",
    "moved",
    "read",
    "specification",
]

Tile = tuple[int, int]
TILES = ((128, 64), (128, 128), (128, 32), (64, 64), (32, 32))
"""Tiles to try. The first ships: it predicts models held out best (--tiles shows it)."""


class Mode(NamedTuple):
    """A power mode: multiprocessors that are on, and their highest clock.

    Source: NVIDIA Jetson Linux Developer Guide, supported modes of the AGX Orin 64GB.
    """

    name: str
    sms: int
    ghz: float


MAXN, WATT_30, WATT_15 = Mode("maxn", 16, 1.3), Mode("30w", 8, 0.612), Mode("15w", 6, 0.42)
LOWEST_GHZ = 0.306
STREAMED_GB_S = 0.85 * 205.0  # the share of the specification that copies reach

# Torch eager on this board; a null host operation alone reads 0.037 ms.
LAUNCH_NS = PerKind(
    linear=100e3, bmm=100e3, softmax=90e3, norm=90e3, gelu=80e3, add=50e3, attention=400e3
)
_LAUNCHES = {f"launch_ns.{kind}": 0.3 for kind in ("linear", "norm", "gelu", "add")}
SPREAD_30W = _LAUNCHES | {
    "launch_ns.attention": 1.0,
    "bandwidth_gb_s": 0.1,
    "kernels.0.element_ns": 0.5,
    "kernels.0.first_element_ns": 0.7,
}
SPREAD_MAXN = SPREAD_30W | {
    "kernels.0.element_ns": 0.15,
    "kernels.0.first_element_ns": 0.15,
    "kernels.1.element_ns": 1.0,
    "kernels.1.first_element_ns": 1.0,
    "throttle.ramp_ns": 1.0,
}
SPREAD_ROOFLINE = _LAUNCHES | {
    "launch_ns.attention": 1.0,
    "bandwidth_gb_s": 0.1,
    "kernels.0.element_ns": 1.0,
    "kernels.1.element_ns": 1.0,
}


class Readings(NamedTuple):
    """All that is read: per power mode, and the harness's own time at 30 W over MAXN's."""

    maxn: list[Row]
    watt_30: list[Row]
    watt_15: list[Row]
    squares: list[Row]
    host_30w: float
    host_15w: float


def read(folder: Path) -> Readings:
    """Every reading that the fit or its checks use."""
    harness, maxn = read_segments(folder, "maxn")
    harness_30w, watt_30 = read_segments(folder, "30w")
    harness_15w, watt_15 = read_segments(folder, "15w")
    return Readings(
        maxn=maxn,
        watt_30=[row for row in watt_30 if row.reading.dtype == "fp32"],
        watt_15=[row for row in watt_15 if row.reading.dtype == "fp32"],
        squares=read_squares(folder, "MODE30W_612MHz", (512, 1024, 2048)),
        host_30w=harness_30w / harness,
        host_15w=harness_15w / harness,
    )


def specification(mode: Mode, *, tile: Tile = TILES[0]) -> OperatorModel:
    """What is known of the board before any reading.

    A multiprocessor does 256 fp32 operations a cycle, and 2048 on its tensor cores.
    """
    rate = mode.sms * mode.ghz
    model = prior_from_spec(
        sms=mode.sms,
        bandwidth_gb_s=STREAMED_GB_S,
        peak_gflops={("fp32",): 256 * rate, ("fp16", "bf16"): 2048 * rate},
        tile=tile,
    )
    return replace(model, launch_ns=LAUNCH_NS)


def moved(model: OperatorModel, there: Mode, here: Mode, host: float) -> OperatorModel:
    """The model of one power mode in another: cycles stay, the host is `host` times slower."""
    scale = there.ghz / here.ghz
    times = {
        path: value * (host if path.startswith("launch_ns") else scale)
        for path, value in parameters(model).items()
        if path.startswith("launch_ns") or path.endswith("element_ns")
    }
    return replace(with_parameters(model, times), sms=here.sms)


def fit_30w(readings: Readings, without: str = "", tile: Tile = TILES[0]) -> OperatorModel:
    """The fp32 kernel at a clock that holds."""
    slow_host = {
        f"launch_ns.{kind}": value * readings.host_30w
        for kind, value in asdict(LAUNCH_NS).items()
    }
    prior = with_parameters(specification(WATT_30, tile=tile), slow_host)
    return fit(_kept(readings.watt_30, without), prior=prior, spread=SPREAD_30W)


def fit_maxn(readings: Readings, without: str = "", tile: Tile = TILES[0]) -> OperatorModel:
    """The shipped operators, from every model but one; `tile` is the fp32 kernel's."""
    kernel = moved(fit_30w(readings, without, tile), WATT_30, MAXN, 1 / readings.host_30w)
    governor = Throttle(extra=MAXN.ghz / LOWEST_GHZ - 1, ramp_ns=150e3)
    prior = replace(
        kernel,
        kernels=(kernel.kernels[0], specification(MAXN, tile=TILES[0]).kernels[1]),
        throttle=governor,
    )
    rows = _kept(readings.maxn, without)
    model = fit(rows, prior=prior, spread=SPREAD_MAXN)
    patches = [
        row.reading
        for row in readings.maxn
        if row.segment == "patches" and row.model != without
    ]
    read_ns = np.array([reading.latency_ns for reading in patches])
    factor = float(np.exp(np.mean(np.log(read_ns / predict_ns(model, patches)))))
    return replace(model, patch_factor=factor)


def fit_roofline(readings: Readings, without: str = "") -> OperatorModel:
    """The baseline: launch floor, efficiency and bandwidth fitted, no tile and no wave."""
    rows = _kept(readings.maxn, without)
    return fit(rows, prior=specification(MAXN, tile=(1, 1)), spread=SPREAD_ROOFLINE)


def _kept(rows: list[Row], without: str) -> list[Reading]:
    """The readings of every model but `without`.

    The patch embedding is a convolution: it is scaled afterwards, not fitted with.
    """
    return [row.reading for row in rows if row.segment != "patches" and row.model != without]
