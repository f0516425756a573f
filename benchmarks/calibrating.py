"""What do 5, 10, 20 and 40 probes make of a profile that comes from another device?

    python benchmarks/calibrating.py
    python benchmarks/calibrating.py --seeds 5 --from v100

NeuSight's readings (fp32, torch eager, five GPUs, random shapes). A model fitted to all
readings of one device is carried to another by their data sheets alone (`carrying.py`), which
is what a scaled profile is. Then `latmodel.calibrating.calibrate` sees a few of the other
device's readings, drawn at random, and its model is compared with all others of that device.

Columns, in percent, medians over seeds:

- carried: mean absolute error of the model as it was carried.
- one factor: the same after the median ratio of the probes is taken off, which is what a
  calibration without a model of costs can do.
- calibrated: the same of the calibrated model, on rows that it has not seen.
- stated: the error that the calibration itself states, from its probes alone.
- within: the share of those rows whose log error is within one standard deviation as stated
  (68 where errors are normal).
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from carrying import Specification, carried, specifications
from jetson_readings import data_folder
from operator_data import NEUSIGHT, neusight
from rich.console import Console
from rich.progress import track

from latmodel.calibrating import calibrate
from latmodel.operators import OperatorModel
from latmodel.part_fitting import fit_part
from latmodel.products import ProductModel
from latmodel.streams import StreamModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latmodel.operator_readings import OperatorReadings
    from latmodel.slowdowns import Floats

KINDS = ("linear", "bmm")
PROBES = (5, 10, 20, 40)
NEAREST = {"p4": "p100", "t4": "v100", "p100": "v100", "v100": "a100", "a100": "v100"}
"""For each device the one that a profile would be carried from: of its generation, or of the
one beside it, and no inference card where there is another."""

MOST_ROWS = 3000
"""Of one device and kind, drawn once: those that calibrations are compared with."""


class Score(NamedTuple):
    """Errors in percent; see the top of this file."""

    carried: float
    one_factor: float
    calibrated: float
    stated: float
    within: float


def thinned(readings: OperatorReadings, most: int = MOST_ROWS) -> OperatorReadings:
    """At most so many readings, drawn at random, always the same."""
    drawn = np.random.default_rng(0).permutation(len(readings))[:most]
    return readings.where(np.isin(np.arange(len(readings)), drawn))


def as_model(part: ProductModel, spec: Specification) -> OperatorModel:
    """A model of one kind of product; an operator model wants streams beside it."""
    streams = StreamModel(
        kinds=("add",),
        dtypes=part.dtypes,
        sms=spec.sms,
        bandwidth_gb_s=spec.bandwidth_gb_s,
        launch_ns=part.launch_ns[:1],
    )
    return OperatorModel(products=(part,), streams=(streams,))


def score(model: OperatorModel, readings: OperatorReadings, probes: int, seed: int) -> Score:
    """One calibration by `probes` readings drawn at random, on all other readings."""
    drawn = np.random.default_rng(seed).permutation(len(readings))[:probes]
    chosen = np.isin(np.arange(len(readings)), drawn)
    few, rest = readings.where(chosen), readings.where(~chosen)
    found = calibrate(model, [few])
    before = _log_errors(model, rest)
    shift = float(np.median(_log_errors(model, few)))
    after = _log_errors(found.model, rest)
    stated = found.model.products[0].relative_error
    return Score(
        carried=_percent(before),
        one_factor=_percent(before - shift),
        calibrated=_percent(after),
        stated=found.after_percent,
        within=float(100 * np.mean(np.abs(after) <= stated)),
    )


def _log_errors(model: OperatorModel, readings: OperatorReadings) -> Floats:
    predicted_ns = model.cost(readings.kind, readings.sizes, dtype=readings.dtype).latency_ns
    return np.asarray(np.log(predicted_ns / readings.latency_ns))


def _percent(log_errors: Floats) -> float:
    return float(100 * np.mean(np.abs(np.expm1(log_errors))))


def medians(scores: Sequence[Score]) -> Score:
    """Column by column."""
    return Score(*np.median(np.array(scores), axis=0).tolist())


def main() -> None:
    """Read, fit, carry, calibrate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="draws of probes, median taken")
    parser.add_argument(
        "--from", dest="source", choices=NEUSIGHT, help="carry from this device"
    )
    arguments = parser.parse_args()
    folder, talk = data_folder(), Console(stderr=True)
    specs = specifications(folder)
    pairs = {
        there: arguments.source or NEAREST[there]
        for there in NEUSIGHT
        if there != arguments.source
    }
    with talk.status("reading"):
        read = {
            (name, each.kind): each
            for name in NEUSIGHT
            for each in neusight(folder, name)
            if each.kind in KINDS
        }
    needed = [(name, kind) for name in dict.fromkeys(pairs.values()) for kind in KINDS]
    parts = {
        (name, kind): fit_part(
            thinned(read[name, kind], 2 * MOST_ROWS),
            sms=specs[name].sms,
            bandwidth_gb_s=specs[name].bandwidth_gb_s,
        )
        for name, kind in track(needed, "fitting", console=talk, transient=True)
    }
    print(f"median of {arguments.seeds} draws, percent")
    print(f"{'device':18}{'kind':8}{'probes':>7}" + "".join(f"{n:>12}" for n in Score._fields))
    jobs = [(there, kind, n) for there in pairs for kind in KINDS for n in PROBES]
    for there, kind, probes in track(jobs, "calibrating", console=talk, transient=True):
        here = pairs[there]
        part = parts[here, kind]
        assert isinstance(part, ProductModel)
        model = as_model(carried(part, specs[here], specs[there]), specs[there])
        rows = thinned(read[there, kind])
        found = medians([score(model, rows, probes, seed) for seed in range(arguments.seeds)])
        print(
            f"{f'{there} from {here}':18}{kind:8}{probes:7}"
            + "".join(f"{value:12.1f}" for value in found),
            flush=True,
        )


if __name__ == "__main__":
    main()
