"""What operators cost, taken apart so far that factors can be tried in microseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latmodel.operator_kinds import itemsize
from latmodel.products import ProductModel
from latmodel.scaling import acting, factors_of, named_parts, strength
from latmodel.shapes import product_of
from latmodel.slowdowns import Floats

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from latmodel.operator_readings import OperatorReadings
    from latmodel.operators import OperatorModel
    from latmodel.scaling import Factor

__all__ = ["Pieces", "take_apart"]

_GROUPS = (
    "launch",
    "compute",
    "memory",
    "throttle",
    "throttle_ramp",
    "governor",
    "governor_ramp",
)


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Operators that were asked for, one a row; shapes (n,) unless said otherwise.

    The kernel that runs and the correction of each shape are those of the model as it is:
    factors move neither.

    Attributes:
        factors: what can be multiplied.
        values: shape (n, pieces): launch, compute, memory in ns, then extra and ramp of the
            throttle and of the governor.
        merge_ns: what adding up a split reduction takes; it goes with compute.
        correction: the log of the model's correction.
        acts: shape (pieces, n, factors): 1 where a factor acts on a piece, else 0.
        part: the index of the part that answers, products before streams.
    """

    factors: tuple[Factor, ...]
    values: Floats
    merge_ns: Floats
    correction: Floats
    acts: Floats
    part: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.merge_ns)

    def where(self, chosen: npt.NDArray[np.bool_]) -> Pieces:
        """The chosen operators; `chosen` has shape (n,)."""
        return Pieces(
            self.factors,
            self.values[chosen],
            self.merge_ns[chosen],
            self.correction[chosen],
            self.acts[:, chosen],
            self.part[chosen],
        )

    def latency_ns(self, logs: Floats) -> Floats:
        """What the operators take with factors whose logarithms are `logs`."""
        scales = np.exp(self.acts @ logs).T  # (n, pieces)
        launch, compute, memory, extra, ramp, light, light_ramp = (self.values * scales).T
        governed = compute * (1.0 + light / (1.0 + compute / light_ramp))
        busy = (governed**4 + memory**4) ** 0.25
        busy *= 1.0 + extra * busy / (busy + ramp)
        busy += self.merge_ns * scales[:, 1]
        names = [factor.name for factor in self.factors]
        number = float(logs[names.index("correction")]) if "correction" in names else 0.0
        corrected: Floats = (launch + busy) * np.exp(self.correction * strength(number))
        return corrected

    def sensitivities(self) -> Floats:
        """Shape (n, factors): the slope of the log latency over each log, at 0."""
        step = 1e-4
        steps = step * np.eye(len(self.factors))
        slopes = [
            np.log(self.latency_ns(up) / self.latency_ns(-up)) / (2 * step) for up in steps
        ]
        return np.stack(slopes, axis=1)


def take_apart(model: OperatorModel, readings: Sequence[OperatorReadings]) -> Pieces:
    """The pieces of every reading's operator, one set of readings after another.

    Raises:
        ProfileError: the model does not know a kind or a dtype.
    """
    factors = factors_of(model)
    blocks = [_pieces(model, factors, each) for each in readings]
    return Pieces(
        factors,
        np.concatenate([block.values for block in blocks]),
        np.concatenate([block.merge_ns for block in blocks]),
        np.concatenate([block.correction for block in blocks]),
        np.concatenate([block.acts for block in blocks], axis=1),
        np.concatenate([block.part for block in blocks]),
    )


def _pieces(
    model: OperatorModel, factors: tuple[Factor, ...], readings: OperatorReadings
) -> Pieces:
    kind, dtype, count = readings.kind, readings.dtype, len(readings)
    # Asked first, as it refuses what the model does not know.
    model.cost(kind, readings.sizes, dtype=dtype)
    index, name, part = next(
        (index, name, part)
        for index, (name, part) in enumerate(named_parts(model))
        if kind in part.kinds and dtype in part.dtypes
    )
    values = np.zeros((count, len(_GROUPS)))
    values[:, 0] = part.launch_of(kind)
    values[:, [4, 6]] = 1.0  # a ramp of what is not there divides nothing by zero
    busy_ns, factor = part.busy_ns(kind, readings.sizes, dtype=dtype)
    merge_ns, kernel = np.zeros(count), np.full(count, -1)
    if isinstance(part, ProductModel):
        kernel, merge_ns = _product_pieces(part, readings, values)
    else:
        values[:, 2] = busy_ns
    acts = _acts(factors, kind, name, kernel)
    return Pieces(factors, values, merge_ns, np.log(factor), acts, np.full(count, index))


def _product_pieces(
    part: ProductModel, readings: OperatorReadings, values: Floats
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Fill in the kernel that runs for each product; its index, and what merging takes."""
    product, width = product_of(readings.kind, readings.sizes), itemsize(readings.dtype)
    features = part.costs_of(product, width=width).features
    kernels = np.broadcast_to(features["kernel"], (len(readings),)).astype(np.int64)
    values[:, 2] = product.moved * width / part.bandwidth_gb_s
    for column, held in ((3, part.throttle), (5, part.governor)):
        if held is not None:
            values[:, column], values[:, column + 1] = held.extra, held.ramp_ns
    merge_ns, least_ns = np.zeros(len(readings)), np.full(len(readings), np.inf)
    for index in np.unique(kernels):
        kernel = part.kernels[index]
        for split in kernel.chosen_splits(features):
            compute_ns = kernel.compute_ns(product, split, sms=part.sms)
            merging_ns = kernel.merge_ns(product, split)
            slowed_ns = compute_ns
            if part.governor is not None:
                slowed_ns = part.governor.slowed_ns(compute_ns)
            both_ns = (slowed_ns**4 + values[:, 2] ** 4) ** 0.25
            if part.throttle is not None:
                both_ns = part.throttle.slowed_ns(both_ns)
            better = (kernels == index) & (both_ns + merging_ns < least_ns)
            values[:, 1] = np.where(better, compute_ns, values[:, 1])
            merge_ns = np.where(better, merging_ns, merge_ns)
            least_ns = np.where(better, both_ns + merging_ns, least_ns)
    return kernels, merge_ns


def _acts(
    factors: tuple[Factor, ...], kind: str, name: str, kernel: npt.NDArray[np.int64]
) -> Floats:
    place = {factor.name: column for column, factor in enumerate(factors)}
    acts = np.zeros((len(_GROUPS), len(kernel), len(factors)))
    for row, group in enumerate(_GROUPS):
        for each in acting(group, kind if group == "launch" else name):
            if each in place:
                acts[row, :, place[each]] = 1.0
    for index in np.unique(kernel):
        own = place.get(f"compute.{name}.{index}")
        if own is not None:
            acts[1, kernel == index, own] = 1.0
    return acts
