"""The constants of matrix-product kernels, from timings of matrix products."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from latmodel.kernels import Kernel
from latmodel.operator_kinds import itemsize
from latmodel.products import ProductModel
from latmodel.shapes import product_of
from latmodel.slowdowns import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from latmodel.operator_readings import OperatorReadings
    from latmodel.shapes import Product
    from latmodel.slowdowns import Floats

__all__ = ["fit_kernels", "kernels_by_name", "tile_of"]

NOISE = 0.03
"""The fraction by which a sound reading may be off: larger errors pull less and less."""

MOST_ROWS = 4000
"""Readings that the constants are fitted to: more make them no better, only later."""

SOONEST_NS = 5e5
"""A power limit acts on work that lasts: one that acts sooner is a cost factor in disguise."""

_CANDIDATES = (
    (256, 128), (128, 256), (128, 128), (64, 128), (128, 64), (64, 64), (64, 32), (32, 64),
    (192, 128), (128, 192), (64, 256), (256, 64), (128, 32),
)  # fmt: skip
"""Tiles, rows x columns, where no reading names its kernel: those of CUTLASS's generators."""

_SPLITS = (1, 2, 4, 8, 16)


def tile_of(name: str) -> tuple[int, int] | None:
    """Rows and columns of the tile that a kernel's name tells, None where it tells none.

    `sgemm_AxB` tiles A output columns and B rows, as launch grids on five GPUs confirm.

    >>> tile_of("ampere_sgemm_128x64_tn")
    (64, 128)
    >>> tile_of("sgemm_32x32x32_NN_vec")
    (32, 32)
    """
    found = re.search(r"(?<!\d)([1-9]\d*)x([1-9]\d*)", name)
    return None if found is None else (int(found[2]), int(found[1]))


def kernels_by_name(readings: OperatorReadings, *, least: int) -> tuple[str, ...]:
    """The kernels that ran at least `least` times and whose name tells their tile."""
    names, counts = np.unique(readings.kernels, return_counts=True)
    return tuple(
        str(name)
        for name, count in zip(names, counts, strict=True)
        if count >= least and tile_of(str(name)) is not None
    )


def fit_kernels(
    readings: OperatorReadings,
    *,
    names: Sequence[str],
    sms: int,
    bandwidth_gb_s: float,
) -> ProductModel:
    """Kernels, launch, bandwidth and throttle that explain the readings best.

    Where `names` is empty, the tiles of `_CANDIDATES` compete and the fastest runs.
    Minimises the soft L1 loss of log errors, with weak priors from the specification and
    from the fastest reading. Deterministic.

    Args:
        readings: of a kind of matrix product.
        names: kernels to be told apart; readings of others are left out.
        sms: multiprocessors (cores, on a CPU).
        bandwidth_gb_s: memory bandwidth of the specification, in GB/s.

    Returns:
        One kind in one number format, without trees: no choice, no correction, and where
        kernels are named no split, as constants alone do not tell them.
    """
    kept = readings.where(np.isin(readings.kernels, names)) if names else readings
    if len(kept) > MOST_ROWS:
        order = np.random.default_rng(0).permutation(len(kept))[:MOST_ROWS]
        kept = kept.where(np.isin(np.arange(len(kept)), order))
    start = _start(kept, names=names, sms=sms, bandwidth_gb_s=bandwidth_gb_s)
    predict = _known(start, kept) if names else _competing(kept)
    centre, width = _pack(start), _widths(start)
    read = np.log(kept.latency_ns)

    def residuals(logs: Floats) -> Floats:
        errors = (np.log(predict(_unpack(start, logs))) - read) / NOISE
        # The square of this is the soft L1 loss; scipy's own would soften the priors too.
        softened = np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
        return np.concatenate([softened, (logs - centre) / width])

    best = least_squares(residuals, centre, x_scale="jac", max_nfev=60 if names else 25)
    return _unpack(start, best.x)


def _start(
    readings: OperatorReadings, *, names: Sequence[str], sms: int, bandwidth_gb_s: float
) -> ProductModel:
    """What the specification and the fastest readings suggest."""
    rate = _rate(readings)
    tiles = {name: tile_of(name) or (1, 1) for name in names}
    tiles = tiles or {f"{rows}x{columns}": (rows, columns) for rows, columns in _CANDIDATES}
    kernels = [
        Kernel(
            name=name,
            tile_rows=rows,
            tile_columns=columns,
            tile_reduction=8 if readings.dtype == "fp32" else 16,
            wave_ns=500.0,
            element_ns=rows * columns * sms / rate,
            first_element_ns=0.5 * rows * columns * sms / rate,
            evenness=0.75,
            splits=(1,) if names else _SPLITS,
            split_ns=1e3 * itemsize(readings.dtype) / bandwidth_gb_s,
        )
        for name, (rows, columns) in tiles.items()
    ]
    return ProductModel(
        kinds=(readings.kind,),
        dtypes=(readings.dtype,),
        sms=sms,
        bandwidth_gb_s=0.8 * bandwidth_gb_s,
        launch_ns=(0.95 * float(np.percentile(readings.latency_ns, 2)),),
        kernels=tuple(kernels),
        throttle=Throttle(extra=0.3, ramp_ns=1e6),
    )


def _rate(readings: OperatorReadings) -> float:
    """Multiplications per ns, of the fastest readings that can be believed."""
    product = product_of(readings.kind, readings.sizes)
    # Not the fastest hundredth, and of few readings not the two fastest: they may be wrong.
    share = min(0.99, max(0.5, 1.0 - 2.0 / len(readings)))
    rates = product.outputs * product.reduction / readings.latency_ns
    return float(np.quantile(rates, share))


_SHARED_WIDTHS = (0.5, 0.3, 1.0, 1.0)  # launch, bandwidth, throttle: standard deviations of
_KERNEL_WIDTHS = (2.0, 1.0, 2.0, 2.0, 2.0)  # logs; what readings do not tell stays near


def _widths(model: ProductModel) -> Floats:
    """How far from the start each log may well lie, in the order of `_pack`."""
    return np.array(_SHARED_WIDTHS + _KERNEL_WIDTHS * len(model.kernels))


def _pack(model: ProductModel) -> Floats:
    """The logs of what is fitted: four of all kernels, then five of each."""
    values = [model.launch_ns[0], model.bandwidth_gb_s]
    if model.throttle is not None:  # `_start` makes one
        values += [model.throttle.extra, model.throttle.ramp_ns]
    for kernel in model.kernels:
        odds = kernel.evenness / (1.0 - kernel.evenness)
        values += [kernel.wave_ns, kernel.element_ns, kernel.first_element_ns]
        values += [odds, kernel.split_ns]
    return np.log(values)


def _unpack(model: ProductModel, logs: Floats) -> ProductModel:
    """The model with constants in place of its own; the inverse of `_pack`."""
    values = np.exp(np.clip(logs, -30.0, 40.0)).tolist()
    launch_ns, bandwidth_gb_s, extra, ramp_ns = values[:4]
    kernels = []
    for index, kernel in enumerate(model.kernels):
        wave, element, first, odds, split = values[4 + 5 * index : 9 + 5 * index]
        kernels.append(
            replace(
                kernel,
                wave_ns=wave,
                element_ns=element,
                first_element_ns=first,
                evenness=odds / (1.0 + odds),
                split_ns=split,
            )
        )
    return replace(
        model,
        launch_ns=(launch_ns,),
        bandwidth_gb_s=bandwidth_gb_s,
        throttle=Throttle(extra=extra, ramp_ns=max(ramp_ns, SOONEST_NS)),
        kernels=tuple(kernels),
    )


class _Group(NamedTuple):
    """The readings of one kernel: which, their shapes, their splits."""

    where: npt.NDArray[np.intp]
    product: Product
    splits: Floats


def _known(model: ProductModel, readings: OperatorReadings) -> Callable[[ProductModel], Floats]:
    """The prediction of readings whose kernels are known."""
    groups = []
    for kernel in model.kernels:
        own = readings.kernels == kernel.name  # none, where a sample missed a rare kernel
        sizes = {name: size[own] for name, size in readings.sizes.items()}
        splits = np.maximum(readings.splits[own], 1).astype(np.float64)
        groups.append(_Group(np.flatnonzero(own), product_of(readings.kind, sizes), splits))
    width = itemsize(readings.dtype)

    def predict(at: ProductModel) -> Floats:
        latency_ns = np.full(len(readings), at.launch_ns[0])
        for kernel, group in zip(at.kernels, groups, strict=True):
            busy_ns = at.kernel_ns(kernel, group.product, group.splits, width=width)
            latency_ns[group.where] += busy_ns
        return latency_ns

    return predict


def _competing(readings: OperatorReadings) -> Callable[[ProductModel], Floats]:
    """The prediction of readings that name no kernel: a smooth minimum, so that all learn."""
    product = product_of(readings.kind, readings.sizes)
    width = itemsize(readings.dtype)

    def predict(at: ProductModel) -> Floats:
        costs = at.costs_of(product, width=width)
        ratios = [costs.features[f"t{index}"] for index in range(len(at.kernels))]
        soft = np.sum(np.stack(ratios) ** -12.0, axis=0) ** (-1 / 12)
        return np.asarray(at.launch_ns[0] + costs.busy_ns * soft)

    return predict
