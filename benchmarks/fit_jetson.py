"""Fit the shipped profile of the Jetson AGX Orin, and say how far it can be trusted.

    python benchmarks/fit_jetson.py --out data/jetson.yaml

Every error printed, and every one in the profile, is of a model whose readings no step of
the fit had seen. `jetson_fitting.py` says how the fit goes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jetson_fitting import (
    MAXN,
    TILES,
    WATT_15,
    WATT_30,
    Readings,
    fit_30w,
    fit_maxn,
    fit_roofline,
    moved,
    read,
    specification,
)
from jetson_readings import MODELS, Row, data_folder

from latmodel.files import write_yaml
from latmodel.operator_fitting import parameters, predict_ns, with_parameters
from latmodel.operator_kinds import DIMS, PerKind
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from latmodel.operators import OperatorModel

DTYPES = ("fp32", "fp16", "bf16")
HEAVY = ("attention", "mlp_in", "mlp_out")  # the segments with matrix products

_PROVENANCE = Provenance(
    source="https://github.com/branes-ai/graphs, commit b6c5e82",
    licence="MIT",
    measured=(
        "torchvision's ViT-B/16, ViT-B/32 and ViT-L/16 at batch 1, segment by segment, each "
        "alone; medians over equal layers; clocks not locked"
    ),
    derived=(
        "every token count but 50 and 197; softmax and bmm, which were timed only inside "
        "attention; 16 multiprocessors, 1.30 GHz down to 0.306 GHz and 205 GB/s from the "
        "specification; 8 multiprocessors at 30 W and 6 at 15 W from the board's power modes, "
        "which the readings bear out; the harness's own 0.037 ms taken off; the tile was "
        "chosen by the errors below; that the host dispatches one operator while the device "
        "computes another, so that a block takes the longer of the two"
    ),
)

_ONLY = "read with unlocked clocks at 50 and 197 tokens only: trust ratios more than latencies"
_ALONE = (
    "every operator was timed alone, so a launch holds its own wait for the device, and how "
    "far launches and computing overlap in a run is assumed: verify on the board"
)
_MODULE = "attention was timed as torch.nn.MultiheadAttention, which launches more than timm's"


class Guess(NamedTuple):
    """A reading and what a model said of it that had not seen it."""

    row: Row
    predicted_ns: float

    @property
    def error(self) -> float:
        """Signed, as a fraction of the reading."""
        return self.predicted_ns / self.row.reading.latency_ns - 1.0


def guesses(model: OperatorModel, rows: Sequence[Row]) -> list[Guess]:
    """What `model` says of each row."""
    predicted = predict_ns(model, [row.reading for row in rows]).tolist()
    return [Guess(row, value) for row, value in zip(rows, predicted, strict=True)]


def held_out(readings: Readings, make: Callable[[Readings, str], OperatorModel]) -> list[Guess]:
    """Each model's rows as predicted by a fit to the other two."""
    return [
        guess
        for model in MODELS
        for guess in guesses(
            make(readings, model),
            [row for row in readings.maxn if row.model == model and row.segment != "patches"],
        )
    ]


def mean_percent(found: Sequence[Guess]) -> float:
    """The mean absolute error, in percent of the reading."""
    return round(100 * float(np.mean([abs(guess.error) for guess in found])), 1)


def heavy(found: Sequence[Guess], dtype: str) -> list[Guess]:
    """The guesses of one dtype that hold matrix products."""
    return [g for g in found if g.row.segment in HEAVY and g.row.reading.dtype == dtype]


def totals(found: Sequence[Guess], dtype: str) -> dict[str, tuple[float, float]]:
    """Per model: all its timed segments, in ns, as read and as predicted."""
    sums = {}
    for model in MODELS:
        own = [g for g in found if g.row.model == model and g.row.reading.dtype == dtype]
        read_ns = sum(g.row.times * g.row.reading.latency_ns for g in own)
        sums[model] = (read_ns, sum(g.row.times * g.predicted_ns for g in own))
    return sums


def relative_errors(found: Sequence[Guess]) -> PerKind:
    """The root mean square log error per kind, from the segments in which it stands.

    Kinds that were never timed take the largest.
    """
    segments = {
        "linear": ("mlp_in", "mlp_out"),
        "attention": ("attention",),
        "gelu": ("mlp_in",),
        "norm": ("norm",),
        "add": ("add",),
    }
    seen = {
        kind: float(
            np.sqrt(np.mean([np.log1p(g.error) ** 2 for g in found if g.row.segment in names]))
        )
        for kind, names in segments.items()
    }
    return PerKind(**{kind: round(seen.get(kind, max(seen.values())), 3) for kind in DIMS})


def rounded(model: OperatorModel) -> OperatorModel:
    """The model to three significant digits: more than the readings determine."""
    free = ("launch_ns", "bandwidth_gb_s", "kernels", "throttle", "patch_factor")
    values = {
        path: float(f"{value:.3g}")
        for path, value in parameters(model).items()
        if path.startswith(free)
    }
    return with_parameters(model, values)


def figures(readings: Readings, found: Sequence[Guess]) -> tuple[ErrorFigure, ...]:
    """What the profile says of its own error."""
    stated = [
        (f"block segments of a model held out, {dtype}", heavy(found, dtype))
        for dtype in DTYPES
    ]
    slow = fit_30w(readings)
    slower = moved(slow, WATT_30, WATT_15, readings.host_15w / readings.host_30w)
    watt_15 = [row for row in readings.watt_15 if row.segment in HEAVY]
    bare = with_parameters(slow, {"launch_ns.linear": 0.0})
    stated += [
        (
            "block segments at 15 W from the kernel fitted at 30 W, fp32",
            guesses(slower, watt_15),
        ),
        ("square products at 30 W, 512 to 2048, fp32", guesses(bare, readings.squares)),
    ]
    lines = [
        ErrorFigure(what=what, mean_percent=mean_percent(of), rows=len(of))
        for what, of in stated
    ]
    off = [
        abs(ours / read_ns - 1) for d in DTYPES for read_ns, ours in totals(found, d).values()
    ]
    whole = round(100 * float(np.mean(off)), 1)
    what = "all segments of a model held out, summed, every dtype"
    return (*lines, ErrorFigure(what=what, mean_percent=whole, rows=len(off)))


def profile(readings: Readings, found: Sequence[Guess]) -> DeviceProfile:
    """The profile that ships."""
    operators = replace(rounded(fit_maxn(readings)), relative_error=relative_errors(found))
    return DeviceProfile(
        name="jetson",
        device="NVIDIA Jetson AGX Orin 64GB, MAXN, torch 2.1 eager",
        confidence="low",
        provenance=(_PROVENANCE,),
        errors=figures(readings, found),
        warnings=(_ONLY, _ALONE, _MODULE),
        operators=operators,
    )


def report(readings: Readings, found: Sequence[Guess]) -> None:
    """Print what was held out, beside two baselines."""
    roofline = held_out(readings, fit_roofline)
    columns = {
        "fitted": guesses(fit_maxn(readings), readings.maxn),
        "held out": found,
        "roofline held out": roofline,
        "specification": guesses(_peak(), readings.maxn),
    }
    print("mean absolute error in percent, 9 segments each (3 models x 3 segments)")
    print(" " * 6 + "".join(f"{name:>20}" for name in columns))
    for dtype in DTYPES:
        errors = (mean_percent(heavy(column, dtype)) for column in columns.values())
        print(f"{dtype:6}" + "".join(f"{error:20.1f}" for error in errors))
    print("\nwhole models in ms: read less harness, held out, roofline held out")
    for dtype in DTYPES:
        for model, (read_ns, ours) in totals(found, dtype).items():
            line = totals(roofline, dtype)[model][1]
            print(f"{dtype:6}{model:10}{read_ns / 1e6:8.1f}{ours / 1e6:8.1f}{line / 1e6:8.1f}")
    print("\nstated in the profile")
    for figure in figures(readings, found):
        print(f"  {figure.mean_percent:5.1f} % of {figure.rows:2} rows: {figure.what}")


def _peak() -> OperatorModel:
    """The specification taken at its word: no launch, every cycle used."""
    bare = specification(MAXN, tile=(1, 1))
    values = {path: 0.0 for path in parameters(bare) if path.startswith("launch_ns")}
    cycles = {"kernels.0.element_ns": 2 / 256, "kernels.1.element_ns": 2 / 2048}
    return with_parameters(bare, values | {p: c / MAXN.ghz for p, c in cycles.items()})


def report_tiles(readings: Readings) -> None:
    """Print how each fp32 tile does on models held out."""
    print(
        "\nfp32 tile: error of segments held out, in percent; whole models, read and held out"
    )
    for tile in TILES:
        found = held_out(readings, partial(fit_maxn, tile=tile))
        sums = (f"{a / 1e6:6.1f}{b / 1e6:6.1f}" for a, b in totals(found, "fp32").values())
        print(f"  {tile[0]:3} x {tile[1]:3}{mean_percent(heavy(found, 'fp32')):7.1f}  ", *sums)


def main() -> None:
    """Read, fit, report, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", help="where to write the profile; default: report only")
    parser.add_argument("--tiles", action="store_true", help="compare fp32 tiles as well")
    arguments = parser.parse_args()
    readings = read(data_folder())
    found = held_out(readings, fit_maxn)
    made = profile(readings, found)
    report(readings, found)
    if arguments.tiles:
        report_tiles(readings)
    if arguments.out:
        write_yaml(arguments.out, made.to_dict())


if __name__ == "__main__":
    main()
