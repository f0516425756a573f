"""Steps from x to x + 1 rows: which there are, how large, and who foresees their sign."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from latmodel.operator_readings import OperatorReadings
    from latmodel.slowdowns import Floats

    Ints = npt.NDArray[np.intp]
    Bools = npt.NDArray[np.bool_]

__all__ = [
    "FIRST_ROWS",
    "LARGE",
    "Signs",
    "agreement",
    "beside",
    "majority",
    "noise",
    "pairs",
    "relative",
    "signs",
]

FIRST_ROWS = 16
"""Steps begin at so many rows; below, products read their weights and little else."""

LARGE = 0.09
"""Two single readings of one shape differ by less: only larger steps have a sign."""


def pairs(readings: OperatorReadings) -> Ints:
    """Indices of readings of x and x + 1 rows of one layer, ascending; shape (p, 2)."""
    shapes = list(
        zip(*(size.astype(int).tolist() for size in readings.sizes.values()), strict=True)
    )
    place = {shape: index for index, shape in enumerate(shapes)}
    found = [
        (index, place[rows + 1, inputs, outputs])
        for (rows, inputs, outputs), index in place.items()
        if (rows + 1, inputs, outputs) in place
    ]
    return np.array(sorted(found), dtype=np.intp).reshape(-1, 2)


def relative(latency_ns: Floats, of: Ints) -> Floats:
    """How much slower the second of each pair is, as a fraction; shape (p,)."""
    steps: Floats = latency_ns[of[:, 1]] / latency_ns[of[:, 0]] - 1.0
    return steps


class Signs(NamedTuple):
    """How often the sign of a large step was foreseen.

    Attributes:
        steps: large steps there are.
        right: the share foreseen, in percent; NaN where there are none; likewise below.
        up: of those upwards.
        down: of those downwards.
        by_size: of those below 15 %, up to 30 %, and above.
        read: the median size measured, in percent.
        said: the median size foreseen, in the measured direction, in percent.
    """

    steps: int
    right: float
    up: float
    down: float
    by_size: tuple[float, float, float]
    read: float
    said: float


def signs(said: Floats, read: Floats) -> Signs:
    """Compare steps foreseen with steps measured, both as fractions of shape (p,).

    No step foreseen is wrong, whatever was measured.
    """
    large = np.abs(read) > LARGE
    said, read = said[large], read[large]
    right, size = np.sign(said) == np.sign(read), np.abs(read)
    return Signs(
        steps=len(read),
        right=_percent(right),
        up=_percent(right[read > 0]),
        down=_percent(right[read < 0]),
        by_size=(
            _percent(right[size <= 0.15]),
            _percent(right[(size > 0.15) & (size <= 0.3)]),
            _percent(right[size > 0.3]),
        ),
        read=_median(size),
        said=_median(said * np.sign(read)),
    )


def _percent(right: Bools) -> float:
    return float(100.0 * np.mean(right)) if len(right) else float("nan")


def _median(fractions: Floats) -> float:
    return float(100.0 * np.median(fractions)) if len(fractions) else float("nan")


def majority(seen: OperatorReadings, rows: Floats) -> Floats:
    """The sign that most large steps at each of `rows` had among those seen; shape (p,).

    Up where as many go either way, or none was seen.
    """
    of = pairs(seen)
    steps = relative(seen.latency_ns, of)
    large, first = np.abs(steps) > LARGE, seen.sizes["rows"][of[:, 0]]
    votes = {
        at: float(np.sign(steps[large & (first == at)]).sum())
        for at in np.unique(rows).tolist()
    }
    return np.array([1.0 if votes[at] >= 0 else -1.0 for at in rows.tolist()])


def beside(readings: OperatorReadings, of: Ints, *, name: str) -> Floats:
    """The step measured at the next larger size `name`, all else equal; NaN where none was.

    Args:
        readings: all there are.
        of: pairs of them, of shape (p, 2).
        name: `in_features` or `out_features`.
    """
    steps = relative(readings.latency_ns, of)
    sizes = {key: size[of[:, 0]] for key, size in readings.sizes.items()}
    shapes = list(zip(*(size.tolist() for size in sizes.values()), strict=True))
    known = dict(zip(shapes, steps.tolist(), strict=True))
    axis, values = list(sizes).index(name), np.unique(sizes[name]).tolist()
    after = dict(pairwise(values))

    def moved(shape: tuple[float, ...]) -> tuple[float, ...]:
        larger = after.get(shape[axis], float("nan"))
        return (*shape[:axis], larger, *shape[axis + 1 :])

    return np.array([known.get(moved(shape), float("nan")) for shape in shapes])


def agreement(steps: Floats, neighbours: Floats) -> Signs:
    """How often a measured neighbour has the sign of a large step; NaN are left out."""
    there = ~np.isnan(neighbours)
    return signs(neighbours[there], steps[there])


def noise(readings: OperatorReadings, edges: Floats) -> list[tuple[int, float, float]]:
    """How readings scatter where nothing changes: from x to x + 1 rows, x from 9 to 14.

    No tile ends there, and the weights, which are nearly all that is read, are the same.

    Args:
        readings: of linears.
        edges: bounds of latency in ns, ascending.

    Returns:
        Per range of latency: pairs, the deviation of one reading in percent (from the median
        absolute step), and the share of large steps in percent.
    """
    of = pairs(readings)
    first = readings.sizes["rows"][of[:, 0]]
    of = of[(first >= 9) & (first <= 14)]
    steps, latency_ns = relative(readings.latency_ns, of), readings.latency_ns[of[:, 0]]
    found = []
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        own = np.abs(steps[(latency_ns >= low) & (latency_ns < high)])
        # The median of a normal variable's size is 0.6745 deviations; two readings differ.
        deviation = _median(own) / 0.6745 / np.sqrt(2.0)
        found.append((len(own), deviation, _percent(own > LARGE)))
    return found
