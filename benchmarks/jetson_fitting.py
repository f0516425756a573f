"""How the Jetson AGX Orin is fitted: what is assumed, what is read, in which order.

Three steps. At 30 W the board runs 8 of its 16 multiprocessors at 612 MHz, so slowly that
the governor holds that clock: those fp32 readings give the tile kernel in clock cycles.
At MAXN the governor moves between 306 and 1300 MHz with the load: those readings give the
launch floors, the 16-bit kernel, and what the governor costs. In the slower modes cycles
stay what they are, the host is slower by what the harness alone took, and the readings of
the mode may move each of that by a tenth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jetson_readings import Row, read_segments, read_squares

from latmodel.operator_fitting import (
    Reading,
    fit,
    parameters,
    predict_ns,
    prior_from_spec,
    with_parameters,
)
from latmodel.slowdowns import Governor

if TYPE_CHECKING:
    from pathlib import Path

    from latmodel.operators import OperatorModel

__all__ = [
    "MAXN",
    "MODES",
    "TILES",
    "Mode",
    "Readings",
    "fit_30w",
    "fit_maxn",
    "fit_mode",
    "fit_roofline",
    "moved",
    "read",
    "specification",
]

Tile = tuple[int, int]
TILES = ((128, 64), (128, 128), (128, 32), (64, 64), (32, 32))
"""Tiles to try (--tiles); the one of each mode below predicts models held out best."""


class Mode(NamedTuple):
    """A power mode: multiprocessors that are on, their highest clock, memory, fp32's tile.

    Source: NVIDIA Jetson Linux Developer Guide r36.3, supported modes of the AGX Orin
    64GB; the limit of 50 W as the readings' own files state it.
    """

    name: str
    sms: int
    ghz: float
    bandwidth_gb_s: float
    tile: Tile


MAXN = Mode("maxn", 16, 1.3, 205.0, (128, 64))
MODES = {
    mode.name: mode
    for mode in (
        MAXN,
        Mode("50w", 16, 0.816, 205.0, (128, 64)),
        Mode("30w", 8, 0.612, 205.0, (64, 64)),
        Mode("15w", 6, 0.42, 205.0 * 2133 / 3200, (64, 64)),
    )
}
LOWEST_GHZ = 0.306
COPY_SHARE = 0.85
"""The share of the specified bandwidth that copies reach."""

# Torch eager on this board at MAXN; a null host operation alone reads 0.037 ms.
PRODUCT_LAUNCHES = (100e3, 100e3, 400e3)  # linear, bmm, attention
STREAM_LAUNCHES = (90e3, 90e3, 80e3, 50e3)  # softmax, norm, gelu, add

# One host and one memory for all number formats.
_FLOORS = {
    "products.*.launch_ns.0": 0.3,
    "products.*.launch_ns.2": 1.0,
    **{f"streams.0.launch_ns.{kind}": 0.3 for kind in (1, 2, 3)},
    "*.bandwidth_gb_s": 0.1,
}
SPREAD_30W = _FLOORS | {
    "products.0.kernels.0.element_ns": 0.5,
    "products.0.kernels.0.first_element_ns": 0.7,
}
SPREAD_MAXN = _FLOORS | {
    "products.0.kernels.0.element_ns": 0.15,
    "products.0.kernels.0.first_element_ns": 0.15,
    "products.1.kernels.0.element_ns": 1.0,
    "products.1.kernels.0.first_element_ns": 1.0,
    "products.*.governor.ramp_ns": 1.0,
}
SPREAD_SLOWER = {
    **dict.fromkeys(_FLOORS, 0.1),
    "products.0.kernels.0.*element_ns": 0.1,
    "products.1.kernels.0.*element_ns": 0.1,
    "products.*.governor.ramp_ns": 0.1,
}
SPREAD_ROOFLINE = _FLOORS | {
    "products.0.kernels.0.element_ns": 1.0,
    "products.1.kernels.0.element_ns": 1.0,
}


class Readings(NamedTuple):
    """All that is read: per power mode its rows and the harness's own time; squares at 30 W."""

    rows: dict[str, list[Row]]
    harness_ns: dict[str, float]
    squares: list[Row]

    def host(self, mode: str) -> float:
        """How much slower the host is than at MAXN, by the harness's own time."""
        return self.harness_ns[mode] / self.harness_ns["maxn"]


def read(folder: Path) -> Readings:
    """Every reading that the fit or its checks use."""
    found = {mode: read_segments(folder, mode) for mode in MODES}
    return Readings(
        rows={mode: rows for mode, (_, rows) in found.items()},
        harness_ns={mode: harness_ns for mode, (harness_ns, _) in found.items()},
        squares=read_squares(folder, "MODE30W_612MHz", (512, 1024, 2048)),
    )


def specification(mode: Mode, *, tile: Tile = MAXN.tile, host: float = 1.0) -> OperatorModel:
    """What is known of the board before any reading; the host is `host` times slower.

    A multiprocessor does 256 fp32 operations a cycle, and 2048 on its tensor cores.
    """
    rate = mode.sms * mode.ghz
    model = prior_from_spec(
        sms=mode.sms,
        bandwidth_gb_s=COPY_SHARE * mode.bandwidth_gb_s,
        peak_gflops={("fp32",): 256 * rate, ("fp16", "bf16"): 2048 * rate},
        tile=tile,
    )
    products = tuple(
        replace(part, launch_ns=tuple(host * ns for ns in PRODUCT_LAUNCHES))
        for part in model.products
    )
    streams = replace(model.streams[0], launch_ns=tuple(host * ns for ns in STREAM_LAUNCHES))
    return replace(model, products=products, streams=(streams,))


def moved(model: OperatorModel, there: Mode, here: Mode, host: float) -> OperatorModel:
    """The model of one power mode in another: cycles stay, the host is `host` times slower."""
    factors = {
        "launch_ns": host,
        "element_ns": there.ghz / here.ghz,
        "first_element_ns": there.ghz / here.ghz,
        "gap_ns": there.ghz / here.ghz,
        "bandwidth_gb_s": here.bandwidth_gb_s / there.bandwidth_gb_s,
    }
    values = {
        path: value * factors[name]
        for path, value in parameters(model).items()
        for name in path.split(".")
        if name in factors
    }
    model = with_parameters(model, values)
    return replace(
        model,
        products=tuple(replace(part, sms=here.sms) for part in model.products),
        streams=tuple(replace(part, sms=here.sms) for part in model.streams),
    )


def fit_30w(readings: Readings, without: str = "", tile: Tile = MAXN.tile) -> OperatorModel:
    """The fp32 kernel at a clock that holds."""
    prior = specification(MODES["30w"], tile=tile, host=readings.host("30w"))
    rows = [row for row in readings.rows["30w"] if row.reading.dtype == "fp32"]
    return fit(_kept(rows, without), prior=prior, spread=SPREAD_30W)


def fit_maxn(readings: Readings, without: str = "", tile: Tile = MAXN.tile) -> OperatorModel:
    """The operators at MAXN, from every model but one; `tile` is fp32's."""
    slow = fit_30w(readings, without, tile)
    slow = moved(slow, MODES["30w"], MAXN, 1 / readings.host("30w"))
    kernel = slow.products[0]
    fp16 = replace(
        specification(MAXN).products[1],
        launch_ns=kernel.launch_ns,
        bandwidth_gb_s=kernel.bandwidth_gb_s,
    )
    prior = _governed(replace(slow, products=(kernel, fp16)), MAXN, ramp_ns=150e3)
    rows = readings.rows["maxn"]
    return _with_patches(
        fit(_kept(rows, without), prior=prior, spread=SPREAD_MAXN), rows, without
    )


def fit_mode(
    readings: Readings, mode: Mode, without: str = "", tile: Tile | None = None
) -> OperatorModel:
    """The operators of one power mode, from every model but one; `tile` is fp32's."""
    fast = fit_maxn(readings, without, tile or mode.tile)
    if mode == MAXN:
        return fast
    prior = moved(fast, MAXN, mode, readings.host(mode.name))
    ramp_ns = parameters(fast)["products.0.governor.ramp_ns"]
    prior = _governed(prior, mode, ramp_ns=ramp_ns)
    rows = readings.rows[mode.name]
    model = fit(_kept(rows, without), prior=prior, spread=SPREAD_SLOWER)
    return _with_patches(model, rows, without)


def _governed(model: OperatorModel, mode: Mode, *, ramp_ns: float) -> OperatorModel:
    governor = Governor(extra=mode.ghz / LOWEST_GHZ - 1, ramp_ns=ramp_ns)
    return replace(
        model, products=tuple(replace(part, governor=governor) for part in model.products)
    )


def _with_patches(model: OperatorModel, rows: list[Row], without: str) -> OperatorModel:
    """With the factor of the patch embedding, which is a convolution."""
    patches = [r.reading for r in rows if r.segment == "patches" and r.model != without]
    read_ns = np.array([reading.latency_ns for reading in patches])
    factor = float(np.exp(np.mean(np.log(read_ns / predict_ns(model, patches)))))
    return replace(model, patch_factor=factor)


def fit_roofline(readings: Readings, mode: Mode, without: str = "") -> OperatorModel:
    """The baseline: launch floor, efficiency and bandwidth fitted, no tile and no wave."""
    prior = specification(mode, tile=(1, 1), host=readings.host(mode.name))
    return fit(_kept(readings.rows[mode.name], without), prior=prior, spread=SPREAD_ROOFLINE)


def _kept(rows: list[Row], without: str) -> list[Reading]:
    """The readings of every model but `without`.

    The patch embedding is a convolution: it is scaled afterwards, not fitted with.
    """
    return [row.reading for row in rows if row.segment != "patches" and row.model != without]
