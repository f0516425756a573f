"""What `operators.py` fits: one kind of operator of one source, by every method."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from gpu_recipes import RECIPES
from jetson_readings import data_folder
from operator_data import SOURCES
from threadpoolctl import threadpool_limits

from latmodel.forest import Forest
from latmodel.model_fitting import predict_part_ns
from latmodel.operator_rivals import boosted_trees_ns, calibrated_roofline_ns, roofline_ns
from latmodel.part_fitting import fit_part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from latmodel.card import Card
    from latmodel.operator_readings import OperatorReadings
    from latmodel.slowdowns import Floats

    Bools = npt.NDArray[np.bool_]

__all__ = ["CARDS", "METHODS", "OURS", "SPLITS", "TREES", "Outcome", "Task", "layers", "run"]

TREES, OURS = "boosted trees", "ours"
METHODS = ("spec roofline", "calibrated roofline", TREES, "our waves alone", OURS)
"""What is compared, in the order of the tables; `operators.py` says what each is."""

CARDS: Mapping[str, Card] = {
    name: source.card
    for recipe in RECIPES.values()
    for source in recipe.sources
    for name, _ in source.readings
}
"""Data sheets, by the names of the sources of readings."""


def layers(readings: OperatorReadings, *, one_in: int) -> Bools:
    """Whole layers held out: every row count of one (in, out) in `one_in`, by a hash."""
    inputs, outputs = (
        readings.sizes[name].astype(int).tolist() for name in ("in_features", "out_features")
    )
    hashes = [zlib.crc32(f"{i},{o}".encode()) for i, o in zip(inputs, outputs, strict=True)]
    hidden: Bools = np.array(hashes) % one_in == 0
    return hidden


SPLITS: Mapping[str, Callable[[OperatorReadings], Bools]] = {
    "a fifth of the shapes": lambda readings: readings.held_out(one_in=5),
    "half of the shapes": lambda readings: readings.held_out(one_in=2),
    "half of the layers": lambda readings: layers(readings, one_in=2),
}
"""What a fit must not see, by its description."""


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of operator of one source.

    Attributes:
        source: a key of `operator_data.SOURCES`.
        kind: the operator.
        split: a key of `SPLITS`.
    """

    source: str
    kind: str
    split: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What every method said of the readings that it had not seen.

    Attributes:
        task: what was fitted.
        seen: the readings that were fitted.
        unseen: those that were not; n of them.
        said: latencies in ns by method, each of shape (n,).
    """

    task: Task
    seen: OperatorReadings
    unseen: OperatorReadings
    said: Mapping[str, Floats]


def run(task: Task) -> Outcome:
    """Fit every method to what it may see."""
    (readings,) = (
        part for part in SOURCES[task.source](data_folder()) if part.kind == task.kind
    )
    hidden = SPLITS[task.split](readings)
    seen, unseen = readings.where(~hidden), readings.where(hidden)
    card = CARDS[task.source]
    with threadpool_limits(1):  # the processes share the cores already
        ours = fit_part(seen, sms=card.sms, bandwidth_gb_s=card.bandwidth_gb_s)
        said = (
            roofline_ns(
                unseen,
                peak_gflops=card.peak_gflops[readings.dtype],
                bandwidth_gb_s=card.bandwidth_gb_s,
            ),
            calibrated_roofline_ns(seen, unseen),
            boosted_trees_ns(seen, unseen),
            predict_part_ns(replace(ours, correction=Forest(())), unseen),
            predict_part_ns(ours, unseen),
        )
    return Outcome(task, seen, unseen, dict(zip(METHODS, said, strict=True)))
