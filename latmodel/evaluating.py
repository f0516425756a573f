"""Many operators at once: one evaluation per kind, and none of equal operators twice."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latmodel.operator_kinds import DIMS
from latmodel.stretches import Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from latmodel.operator_kinds import Operator
    from latmodel.operators import OperatorCost, OperatorModel
    from latmodel.slowdowns import Floats

__all__ = ["Evaluated", "evaluate"]

_Key = tuple[str, tuple[bytes, ...]]


class Evaluated(NamedTuple):
    """One operator at each of its shapes.

    Attributes:
        stretch: what it costs.
        beyond: shape (shapes,), the log of how far each lies outside the readings.
    """

    stretch: Stretch
    beyond: Floats


def evaluate(
    model: OperatorModel, operators: Sequence[Operator], *, dtype: str
) -> tuple[Evaluated, ...]:
    """What operators cost the host, the device, and when waited for alone.

        host   = max(launch, dispatch)
        device = busy + min(gap, launch)
        alone  = max(launch + busy, launch at any size) + max(dispatch - launch, 0)

    `launch` and `busy` are those of `OperatorModel.cost`, which a correction scales by
    shape. In `host` and as "launch at any size" the launch is unscaled: a host dispatches
    large and small operators alike, so launch-bound work is a plateau.

    Readings of operators that were waited for hold the host's and the device's part of a
    launch as one number, `launch`. The host is charged all of it, so a launch-bound stretch
    is overestimated, by at most `gap` per operator. The device is charged `gap`, which was
    read apart; where it was not, `gap` is 0 and the device is charged its busy time alone:
    a stretch that the device bounds, and any graph, is then a lower bound.

    Args:
        model: the device.
        operators: each with dimensions that are numbers or arrays of equal length.
        dtype: the number format.

    Returns:
        One entry per operator, in their order.

    Raises:
        ProfileError: the model does not know a kind in this number format, or a dimension
            is wrong.
    """
    keys = [_key(operator) for operator in operators]
    distinct = dict(zip(keys, operators, strict=True))
    found: dict[_Key, Evaluated] = {}
    for kind in dict.fromkeys(operator.kind for operator in operators):
        alike = {key: each for key, each in distinct.items() if each.kind == kind}
        costs = _evaluate_alike(model, kind, list(alike.values()), dtype)
        found.update(zip(alike, costs, strict=True))
    return tuple(found[key] for key in keys)


def _key(operator: Operator) -> _Key:
    sizes = (np.asarray(operator.dims[name], dtype=np.float64) for name in DIMS[operator.kind])
    return operator.kind, tuple(size.tobytes() for size in sizes)


def _evaluate_alike(
    model: OperatorModel, kind: str, operators: Sequence[Operator], dtype: str
) -> Iterable[Evaluated]:
    """Operators of one kind, their shapes in one long row."""
    shapes = [
        np.broadcast_arrays(*(np.atleast_1d(op.dims[name]) for name in DIMS[kind]))
        for op in operators
    ]
    dims = {
        name: np.concatenate(row)
        for name, row in zip(DIMS[kind], zip(*shapes, strict=True), strict=True)
    }
    launch_ns = model.launch_of(kind, dtype=dtype)
    cost = model.cost(kind, dims, dtype=dtype)
    stretch = _stretch(model, cost, launch_ns)
    ends = np.cumsum([0, *(len(shape[0]) for shape in shapes)]).tolist()
    for start, stop in pairwise(ends):
        part = slice(start, stop)
        yield Evaluated(
            Stretch(stretch.times_ns[:, part], stretch.errors_ns[:, part]), cost.beyond[part]
        )


def _stretch(model: OperatorModel, cost: OperatorCost, launch_ns: float) -> Stretch:
    extra_ns = max(model.dispatch_ns - launch_ns, 0.0)
    host_ns = np.full_like(cost.busy_ns, launch_ns + extra_ns)
    device_ns = cost.busy_ns + np.minimum(model.gap_ns, cost.launch_ns)
    alone_ns = np.maximum(cost.latency_ns, launch_ns) + extra_ns
    times_ns = np.stack((host_ns, device_ns, alone_ns))
    return Stretch(times_ns, times_ns * cost.relative_error)
