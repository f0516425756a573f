"""Which single operators to time on a board, so that few of them tell most about a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latmodel.block_operators import attention_half, mlp_half
from latmodel.cost_pieces import take_apart
from latmodel.errors import MeasurementError
from latmodel.operator_kinds import DIMS, Operator
from latmodel.operator_readings import OperatorReadings
from latmodel.scaling import by_kind
from latmodel.slowdowns import Floats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latmodel.operators import OperatorModel
    from latmodel.workload import Workload

__all__ = ["choose_probes", "probe_candidates", "readings_of"]

_COUNTS = 16
"""Token counts at which an operator may be probed, besides 1: even steps up to all tokens."""

_UNLIKE = 0.15
"""What no factor explains, as a fraction: one standard deviation, alike in near shapes."""

_NEAR = 0.7
"""Shapes within this natural logarithm (a factor of two) stray from the model together."""

_READING = 0.03
"""One standard deviation of a reading, as a fraction."""


def choose_probes(
    model: OperatorModel, workload: Workload, number: int
) -> tuple[Operator, ...]:
    """The operators that leave least unknown about a workload once they are timed.

    What is not known is taken as normal in the logarithm of each latency: the weak priors of
    the model's factors (`factors_of`), and a smooth rest for each kind that no factor
    explains. Each probe in turn is the one that lessens the variance of the workload's
    operators most, each weighed by its latency. Deterministic.

    Args:
        model: what is known of such boards.
        workload: whose operators matter, at all its token counts.
        number: of probes.

    Returns:
        Single operators, no two alike, the most telling first.

    Raises:
        MeasurementError: `number` is below 1, or the workload has not so many operators that
            differ.
        ProfileError: the model does not know the workload's dtype.
    """
    candidates = probe_candidates(model, workload)
    if not 1 <= number <= len(candidates):
        raise MeasurementError(
            f"probes is {number}: must be 1 to {len(candidates)}, the operators that "
            f"{workload.model} has at {_COUNTS + 1} token counts"
        )
    groups = readings_of(candidates, np.ones(len(candidates)), dtype=workload.dtype)
    pieces = take_apart(by_kind(model), groups)
    order = _order(candidates)
    shapes = [candidates[index] for index in order]
    slopes = pieces.sensitivities() * np.array([factor.width for factor in pieces.factors])
    weights = pieces.latency_ns(np.zeros(len(pieces.factors)))
    chosen = _greedy(slopes @ slopes.T + _rest(shapes), weights / weights.sum(), number)
    return tuple(shapes[index] for index in chosen)


def probe_candidates(model: OperatorModel, workload: Workload) -> tuple[Operator, ...]:
    """Every operator of a block that the model knows, at token counts from 1 to all."""
    steps = np.linspace(0, workload.tokens, _COUNTS + 1)[1:]
    counts = dict.fromkeys([1, *(max(round(count), 1) for count in steps.tolist())])
    found = [
        operator
        for count in counts
        for operator in _block(workload, count)
        if model.knows(operator.kind, workload.dtype)
    ]
    unlike = {_key(operator): operator for operator in found}
    if not any(operator.kind == "linear" for operator in unlike.values()):
        model.cost("linear", dict.fromkeys(DIMS["linear"], 1), dtype=workload.dtype)  # says why
    return tuple(unlike.values())


def readings_of(
    operators: Sequence[Operator], latency_ns: Floats, *, dtype: str
) -> tuple[OperatorReadings, ...]:
    """One reading of each operator, grouped by kind; kinds in the order of first appearance.

    Args:
        operators: single ones, whose dimensions are numbers.
        latency_ns: shape (operators,).
        dtype: in which all of them ran.
    """
    grouped = []
    for kind in dict.fromkeys(operator.kind for operator in operators):
        own = [index for index, operator in enumerate(operators) if operator.kind == kind]
        rows = np.array(
            [[operators[i].dims[name] for name in DIMS[kind]] for i in own], dtype=np.float64
        )
        grouped.append(
            OperatorReadings(
                kind=kind,
                dtype=dtype,
                sizes=dict(zip(DIMS[kind], rows.T, strict=True)),
                latency_ns=np.asarray(latency_ns, dtype=np.float64)[own],
                kernels=np.full(len(own), ""),
                splits=np.zeros(len(own), dtype=np.int64),
            )
        )
    return tuple(grouped)


def _order(operators: Sequence[Operator]) -> list[int]:
    """The places of operators once they are grouped as `readings_of` does."""
    kinds = list(dict.fromkeys(operator.kind for operator in operators))
    return sorted(range(len(operators)), key=lambda index: kinds.index(operators[index].kind))


def _block(workload: Workload, count: int) -> tuple[Operator, ...]:
    """The operators of one block on `count` tokens, attention both whole and taken apart."""
    counts = np.array(count, dtype=np.int64)
    uses = (
        *attention_half(workload, counts, fused=True),
        *attention_half(workload, counts, fused=False),
        *mlp_half(workload, counts),
    )
    return tuple(
        Operator(
            use.operator.kind, {n: int(np.asarray(d)) for n, d in use.operator.dims.items()}
        )
        for use in uses
    )


def _key(operator: Operator) -> tuple[object, ...]:
    return (operator.kind, *(operator.dims[name] for name in DIMS[operator.kind]))


def _rest(operators: Sequence[Operator]) -> Floats:
    """Shape (n, n): the covariance of what no factor explains."""
    kinds = np.array([operator.kind for operator in operators])
    widest = max(len(DIMS[kind]) for kind in kinds.tolist())
    places = np.zeros((len(operators), widest))
    for row, operator in enumerate(operators):
        sizes = [float(np.asarray(operator.dims[name])) for name in DIMS[operator.kind]]
        places[row, : len(sizes)] = np.log(sizes)
    apart = ((places[:, None] - places[None]) ** 2).sum(axis=-1)
    alike = kinds[:, None] == kinds[None]
    covariance: Floats = _UNLIKE**2 * alike * np.exp(-0.5 * apart / _NEAR**2)
    return covariance


def _greedy(covariance: Floats, weights: Floats, number: int) -> list[int]:
    """Rows that lessen the weighed variance most, one after another; the first of equals."""
    left, chosen = covariance.copy(), list[int]()
    for _ in range(number):
        gains = (weights @ left**2) / (left.diagonal() + _READING**2)
        gains[chosen] = -1.0
        best = int(np.argmax(gains))
        chosen.append(best)
        column = left[:, best].copy()
        left -= np.outer(column, column) / (column[best] + _READING**2)
    return chosen
