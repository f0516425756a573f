"""Operator readings in, operator model out: a fit that a specification sheet steadies."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import least_squares

from latmodel.errors import MeasurementError, ProfileError
from latmodel.fields import Fields
from latmodel.kernels import Kernel
from latmodel.operator_kinds import DIMS, PRODUCTS, STREAMS, Operator
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.slowdowns import Floats
from latmodel.streams import StreamModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Reading", "fit", "parameters", "predict_ns", "prior_from_spec", "with_parameters"]

_BLOCKED_EFFICIENCY = 0.6
"""Share of the peak that a well-fed tile reaches: 0.61 of it in cuBLAS fp32 at 1024 x 1024
on an Orin Nano (jetson-orin-matmul-analysis, 6b981e9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One timed segment: an operator, or several that were timed as one.

    Attributes:
        operators: what ran, one after another; at least one.
        dtype: the number format.
        latency_ns: what it took, the harness's own overhead taken off; above 0.

    Raises:
        MeasurementError: nothing ran, or the latency is not above 0 and finite.
    """

    operators: tuple[Operator, ...]
    dtype: str
    latency_ns: float

    def __post_init__(self) -> None:
        if not self.operators:
            raise MeasurementError("a reading needs at least one operator")
        if not 0 < self.latency_ns < np.inf:
            raise MeasurementError(
                f"latency_ns is {self.latency_ns}: must be finite and above 0"
            )


def prior_from_spec(
    *,
    sms: int,
    bandwidth_gb_s: float,
    peak_gflops: Mapping[tuple[str, ...], float],
    tile: tuple[int, int] = (64, 64),
    launch_ns: float = 50_000.0,
) -> OperatorModel:
    """What a specification sheet alone says of a device: where a fit starts from.

    Args:
        sms: streaming multiprocessors.
        bandwidth_gb_s: memory bandwidth, in GB/s.
        peak_gflops: the device's peak per group of dtypes that share a kernel, one fused
            multiply-add counted as two.
        tile: rows and columns of one tile.
        launch_ns: the eager dispatch of one operator; 30 to 100 us on most machines.

    Raises:
        ProfileError: a number is out of range.
    """
    products = []
    for dtypes, peak in peak_gflops.items():
        flops = 2.0 * tile[0] * tile[1]  # of one tile, per reduction element
        element_ns = flops * sms / (peak * _BLOCKED_EFFICIENCY)
        kernel = Kernel(
            name=f"{tile[0]}x{tile[1]}",
            tile_rows=tile[0],
            tile_columns=tile[1],
            element_ns=element_ns,
            first_element_ns=element_ns,
        )
        products.append(
            ProductModel(
                kinds=PRODUCTS,
                dtypes=dtypes,
                sms=sms,
                bandwidth_gb_s=bandwidth_gb_s,
                launch_ns=(launch_ns,) * len(PRODUCTS),
                kernels=(kernel,),
            )
        )
    streams = StreamModel(
        kinds=tuple(STREAMS),
        dtypes=tuple(dtype for dtypes in peak_gflops for dtype in dtypes),
        sms=sms,
        bandwidth_gb_s=bandwidth_gb_s,
        launch_ns=(launch_ns,) * len(STREAMS),
    )
    return OperatorModel(products=tuple(products), streams=(streams,))


def parameters(model: OperatorModel) -> dict[str, float]:
    """Every real number of a model by its path, such as "products.0.kernels.0.element_ns".

    Whole numbers (multiprocessors, tiles, ranges) are the model's structure: not fitted.
    """
    return {path: holder[key] for path, holder, key in _numbers(model.to_dict(), "")}


def with_parameters(model: OperatorModel, values: Mapping[str, float]) -> OperatorModel:
    """The model with the parameters at the paths of `values` replaced.

    Raises:
        ProfileError: the model has no parameter at a path.
    """
    mapping = copy.deepcopy(model.to_dict())
    left = dict(values)
    for path, holder, key in list(_numbers(mapping, "")):
        if path in left:
            holder[key] = left.pop(path)
    if left:
        raise ProfileError(f"the operator model has no parameter {next(iter(left))!r}")
    return OperatorModel.from_fields(Fields(mapping, "operators"))


def _numbers(holder: Any, prefix: str) -> list[tuple[str, Any, Any]]:
    """Every real number below `holder`: its path, the mapping or list it is in, its key."""
    items = holder.items() if isinstance(holder, dict) else enumerate(holder)
    found: list[tuple[str, Any, Any]] = []
    for key, value in items:
        if isinstance(value, (dict, list)):
            found += _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, float):
            found.append((f"{prefix}{key}", holder, key))
    return found


def predict_ns(model: OperatorModel, readings: Sequence[Reading]) -> Floats:
    """What the model says of each reading, in ns; shape (readings,)."""
    return _Plan(readings).predict_ns(model)


class _Plan:
    """The operators of many readings, those of one kind and dtype side by side.

    A fit asks for the same readings a thousand times: grouping once makes each time a
    handful of array operations.
    """

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._size = len(readings)
        groups: dict[tuple[str, str], list[tuple[int, Operator]]] = {}
        for index, reading in enumerate(readings):
            for operator in reading.operators:
                groups.setdefault((operator.kind, reading.dtype), []).append((index, operator))
        self._groups = {
            (kind, dtype): (
                np.array([index for index, _ in members]),
                {name: np.array([o.dims[name] for _, o in members]) for name in DIMS[kind]},
            )
            for (kind, dtype), members in groups.items()
        }

    def predict_ns(self, model: OperatorModel) -> Floats:
        total = np.zeros(self._size)
        for (kind, dtype), (index, dims) in self._groups.items():
            np.add.at(total, index, model.latency_ns(kind, dtype=dtype, **dims))
        return total


def fit(
    readings: Sequence[Reading],
    *,
    prior: OperatorModel,
    spread: Mapping[str, float],
    noise: float = 0.05,
) -> OperatorModel:
    """The parameters that explain the readings best, near what was known before.

    Minimises, over the logarithms of the parameters named in `spread`,

        sum softl1(log(predicted / read) / noise) + sum (log(value / prior) / spread) ** 2

    so that errors count as fractions, an outlier pulls no harder than its sign, and what
    the readings do not determine stays at the prior. Deterministic: it starts at the prior.

    Args:
        readings: at least one.
        prior: holds every parameter; those not in `spread` stay as they are.
        spread: path of a parameter (see `parameters`) to one standard deviation of its
            logarithm; 0.1 is "known to 10 %", 1 is "within a factor of about 3". A `*`
            stands for any part of a path: the parameters that it matches keep their
            ratios, as "*.bandwidth_gb_s" of one memory does.
        noise: the fraction by which a sound reading may be off.

    Returns:
        The fitted model; its fitted ranges are the prior's.

    Raises:
        MeasurementError: there are no readings.
        ProfileError: a path is unknown or matched twice, or its prior is not above 0.
    """
    if not readings:
        raise MeasurementError("a fit needs at least one reading")
    moving = _moving(parameters(prior), spread)
    plan = _Plan(readings)
    read = np.array([reading.latency_ns for reading in readings])
    width = np.array(list(spread.values()))

    def model_at(logs: Floats) -> OperatorModel:
        factors = np.exp(logs).tolist()
        values = {path: value * factors[index] for path, (index, value) in moving.items()}
        return with_parameters(prior, values)

    def residuals(logs: Floats) -> Floats:
        errors = np.log(plan.predict_ns(model_at(logs)) / read) / noise
        # The square of this is the soft L1 loss; scipy's own would soften the priors too.
        softened = np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
        return np.concatenate([softened, logs / width])

    start = np.zeros(len(spread))
    best = least_squares(residuals, start, xtol=1e-12, ftol=1e-12, gtol=1e-12)
    return model_at(best.x)


def _moving(known: Mapping[str, float], spread: Iterable[str]) -> dict[str, tuple[int, float]]:
    """The paths that the fit moves: the index of their entry in `spread`, and their prior."""
    found: dict[str, tuple[int, float]] = {}
    for index, pattern in enumerate(spread):
        matched = [path for path in known if fnmatchcase(path, pattern)]
        for path in matched or [pattern]:
            value = known.get(path)
            if value is None or not value > 0:
                raise ProfileError(f"{path}: a fit needs a prior above 0, found {value}")
            if path in found:
                raise ProfileError(
                    f"{path}: two entries of the spread match it, allowed is one"
                )
            found[path] = (index, value)
    return found
