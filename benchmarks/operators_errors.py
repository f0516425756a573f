"""Errors of `operators.py` by device, operator and method, beside what is to be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from operators_fits import METHODS

from latmodel.operator_rivals import errors_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from operators_fits import Outcome

    from latmodel.operator_readings import OperatorReadings
    from latmodel.slowdowns import Floats

    Bools = npt.NDArray[np.bool_]

__all__ = ["BARS", "HEAD", "cell", "error_lines", "like_a_vit", "vit_lines"]

HEAD = ("device", "operator", "unseen", "bar %", *METHODS)

BARS = {
    **{
        (source, kind): 3.0
        for source in ("p4", "p100", "v100", "t4", "a100")
        for kind in ("softmax", "norm", "gelu", "add")
    },
    **{
        (source, kind): bar
        for kind, bars in (
            ("linear", {"p4": 11.0, "p100": 5.0, "v100": 5.0, "t4": 9.0, "a100": 5.0}),
            ("bmm", {"p4": 4.0, "p100": 2.0, "v100": 4.0, "t4": 7.0, "a100": 1.5}),
        )
        for source, bar in bars.items()
    },
    ("h200", "linear"): 5.0,
    ("a100-80gb", "linear"): 6.0,
}
"""The mean error to be reached on shapes held out, in percent, by source and kind."""


def cell(said_ns: Floats, read_ns: Floats) -> str:
    """Mean and median absolute error, and the share within 10 %, all in percent.

    >>> cell(np.array([100.0, 105.0, 130.0]), np.array([100.0, 100.0, 100.0]))
    '11.7 / 5.0 / 67'
    """
    errors = errors_of(said_ns, read_ns)
    return f"{errors.mean:.1f} / {errors.median:.1f} / {errors.within_10:.0f}"


def error_lines(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    """One line per outcome, below `HEAD`."""
    for outcome in outcomes:
        task, read_ns = outcome.task, outcome.unseen.latency_ns
        bar = BARS.get((task.source, task.kind))
        said = (cell(outcome.said[method], read_ns) for method in METHODS)
        operator = f"{task.kind} {outcome.unseen.dtype}"
        yield (
            task.source,
            operator,
            str(len(read_ns)),
            "" if bar is None else f"{bar:g}",
            *said,
        )


def vit_lines(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    """The same for the shapes that a vision transformer might ask for; no bar is set."""
    for outcome in outcomes:
        near = like_a_vit(outcome.unseen)
        read_ns = outcome.unseen.latency_ns[near]
        said = (cell(outcome.said[method][near], read_ns) for method in METHODS)
        operator = f"{outcome.task.kind} {outcome.unseen.dtype}"
        yield (outcome.task.source, operator, str(int(near.sum())), "", *said)


def like_a_vit(readings: OperatorReadings) -> Bools:
    """Which products have a shape near one of a vision transformer's; shape (n,).

    A linear: 50 to 4096 rows, 192 to 4096 inputs and outputs, the larger of the two 1, 3 or
    4 times the smaller. A bmm: 50 rows or more, and 32 to 128 features of a head on one
    side, as many keys as rows on the other (scores and the weighted sum of values). Sizes
    are taken as equal to within a quarter.
    """
    if readings.kind == "linear":
        rows, inputs, outputs = readings.sizes.values()
        ratio = np.maximum(inputs, outputs) / np.minimum(inputs, outputs)
        widths = _between(inputs, 192, 4096) & _between(outputs, 192, 4096)
        stage = np.logical_or.reduce([_alike(ratio, np.array(q)) for q in (1.0, 3.0, 4.0)])
        linear: Bools = _between(rows, 50, 4096) & widths & stage
        return linear
    _, rows, columns, reduction = readings.sizes.values()
    scores = _between(reduction, 32, 128) & _alike(rows, columns)
    values = _between(columns, 32, 128) & _alike(rows, reduction)
    bmm: Bools = (rows >= 50) & (scores | values)
    return bmm


def _between(sizes: Floats, low: float, high: float) -> Bools:
    within: Bools = (sizes >= low) & (sizes <= high)
    return within


def _alike(one: Floats, other: Floats) -> Bools:
    alike: Bools = np.maximum(one / other, other / one) <= 1.25
    return alike
