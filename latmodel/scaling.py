"""One device's operator model made another's, by factors on what its costs are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from latmodel.forest import Forest
from latmodel.products import ProductModel
from latmodel.slowdowns import Governor, Throttle
from latmodel.streams import StreamModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from latmodel.kernels import Kernel
    from latmodel.operators import OperatorModel
    from latmodel.trees import Tree

__all__ = ["Factor", "acting", "by_kind", "factors_of", "named_parts", "scaled", "strength"]

Logs = Mapping[str, float]

_SHARED = {"launch": 0.7, "compute": 0.7, "memory": 0.7}
"""A board of the same family is faster or slower by a factor of two, as a rule."""

_OWN = {"launch": 0.3, "compute": 0.5, "memory": 0.5}
"""How far one kind or part strays from what all have in common."""

_KERNEL = 0.2
"""How far one kernel strays from its part."""

_SLOWDOWN = 1.0
"""Governors and power limits are the board's own: little is known of them beforehand."""

_CORRECTION = 0.5
"""The correction of a shipped model is right for its own device (factor 1) and less so for
another. It is not a logarithm: the strength is 1 plus this number."""

_MOST_STRENGTH = 1.5


@dataclass(frozen=True, slots=True)
class Factor:
    """A number that a group of costs is multiplied by.

    Attributes:
        name: what it acts on: "compute" on all matrix products, "compute.products.0" on
            those of one part, "compute.products.0.1" on one kernel; "memory" likewise;
            "launch" on every launch, "launch.norm" on those of one kind; "throttle" and
            "governor" on a part's slowdown, "..._ramp" on when it sets in; "correction" on
            the logarithm of all corrections.
        width: one standard deviation of its logarithm before anything is read.
    """

    name: str
    width: float


_Known = TypeVar("_Known", ProductModel, StreamModel)


def by_kind(model: OperatorModel) -> OperatorModel:
    """The same model with a part for every kind, so that each can have factors of its own.

    A gelu streams as an addition does on one device and computes on another.
    """
    return replace(
        model,
        products=tuple(each for part in model.products for each in _apart(part)),
        streams=tuple(each for part in model.streams for each in _apart(part)),
    )


def _apart(part: _Known) -> Iterator[_Known]:
    for kind in part.kinds:
        yield replace(part, kinds=(kind,), launch_ns=(part.launch_of(kind),))


def named_parts(model: OperatorModel) -> Iterator[tuple[str, ProductModel | StreamModel]]:
    """The parts of a model, each by its place, such as "products.0"."""
    for index, product in enumerate(model.products):
        yield f"products.{index}", product
    for index, stream in enumerate(model.streams):
        yield f"streams.{index}", stream


def factors_of(model: OperatorModel) -> tuple[Factor, ...]:
    """The factors that a model has, the shared ones first, with their weak priors.

    Each cost answers to a shared factor and to factors of its own, whose priors are narrower:
    a few readings move what all costs have in common, many tell them apart.
    """
    parts = dict(named_parts(model))
    kinds = dict.fromkeys(kind for part in parts.values() for kind in part.kinds)
    found = [Factor(group, width) for group, width in _SHARED.items()]
    found += [Factor(f"launch.{kind}", _OWN["launch"]) for kind in kinds]
    for name, part in parts.items():
        found.append(Factor(f"memory.{name}", _OWN["memory"]))
        if isinstance(part, ProductModel):
            found.append(Factor(f"compute.{name}", _OWN["compute"]))
            if len(part.kernels) > 1:
                found += [
                    Factor(f"compute.{name}.{index}", _KERNEL)
                    for index in range(len(part.kernels))
                ]
            for group, held in (("throttle", part.throttle), ("governor", part.governor)):
                if held is not None:
                    names = (f"{group}.{name}", f"{group}_ramp.{name}")
                    found += [Factor(each, _SLOWDOWN) for each in names]
    if any(part.correction.trees for part in parts.values()):
        found.append(Factor("correction", _CORRECTION))
    return tuple(found)


def acting(group: str, *places: str) -> tuple[str, ...]:
    """The names of the factors that act on one cost, some of which a model may not have.

    >>> acting("compute", "products.0", "1")
    ('compute', 'compute.products.0', 'compute.products.0.1')
    """
    return tuple(".".join((group, *places[:depth])) for depth in range(len(places) + 1))


def strength(number: float) -> float:
    """What the factor "correction" multiplies the logarithm of a correction by."""
    return min(max(1.0 + number, 0.0), _MOST_STRENGTH)


def scaled(model: OperatorModel, logs: Logs) -> OperatorModel:
    """The model with its costs multiplied.

    Args:
        model: of the device that was measured.
        logs: the logarithm of each factor of `factors_of`, by name; 0 where it is left out.
    """
    products = tuple(
        _scaled_product(part, f"products.{index}", logs)
        for index, part in enumerate(model.products)
    )
    streams = tuple(
        replace(
            part,
            launch_ns=_launches(part, logs),
            bandwidth_gb_s=part.bandwidth_gb_s / _of(logs, "memory", f"streams.{index}"),
            correction=_correction(part.correction, 1.0, logs),
        )
        for index, part in enumerate(model.streams)
    )
    # The gap stays: it is the device's, and a slower host changes nothing in a graph.
    return replace(model, products=products, streams=streams)


def _of(logs: Logs, group: str, *places: str) -> float:
    return math.exp(sum(logs.get(name, 0.0) for name in acting(group, *places)))


def _launches(part: ProductModel | StreamModel, logs: Logs) -> tuple[float, ...]:
    pairs = zip(part.kinds, part.launch_ns, strict=True)
    return tuple(launch_ns * _of(logs, "launch", kind) for kind, launch_ns in pairs)


def _scaled_product(part: ProductModel, name: str, logs: Logs) -> ProductModel:
    kernels = tuple(
        _scaled_kernel(kernel, _of(logs, "compute", name, str(index)))
        for index, kernel in enumerate(part.kernels)
    )
    governor, throttle = part.governor, part.throttle
    if governor is not None:
        extra, ramp = (_of(logs, group, name) for group in ("governor", "governor_ramp"))
        governor = Governor(extra=governor.extra * extra, ramp_ns=governor.ramp_ns * ramp)
    if throttle is not None:
        extra, ramp = (_of(logs, group, name) for group in ("throttle", "throttle_ramp"))
        throttle = Throttle(extra=throttle.extra * extra, ramp_ns=throttle.ramp_ns * ramp)
    return replace(
        part,
        launch_ns=_launches(part, logs),
        bandwidth_gb_s=part.bandwidth_gb_s / _of(logs, "memory", name),
        kernels=kernels,
        governor=governor,
        throttle=throttle,
        correction=_correction(part.correction, _of(logs, "compute", name), logs),
    )


def _scaled_kernel(kernel: Kernel, by: float) -> Kernel:
    return replace(
        kernel,
        wave_ns=kernel.wave_ns * by,
        element_ns=kernel.element_ns * by,
        first_element_ns=kernel.first_element_ns * by,
        split_ns=kernel.split_ns * by,
    )


def _correction(forest: Forest, compute: float, logs: Logs) -> Forest:
    """The correction at another strength.

    Tests of "busy" are in ns of the device that was measured; they move with its speed, so
    that each shape keeps its correction.
    """
    by = strength(logs.get("correction", 0.0))
    if not forest.trees or (by == 1.0 and compute == 1.0):
        return forest
    return Forest(tuple(_scaled_tree(tree, by, compute) for tree in forest.trees))


def _scaled_tree(tree: Tree, by: float, compute: float) -> Tree:
    factors = {"": by, "busy": compute}
    pairs = zip(tree.names, tree.values, strict=True)
    values = tuple(
        # Six digits, as the text of a tree holds them: what is read back answers the same.
        float(f"{value * factors.get(name, 1.0):.6g}")
        for name, value in pairs
    )
    return replace(tree, values=values)
