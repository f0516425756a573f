"""Fit the shipped profiles of the Jetson AGX Orin, and say how far each can be trusted.

    python benchmarks/fit_jetson.py --out data

Every error printed, and every one in a profile, is of a model whose readings no step of
the fit had seen. `jetson_fitting.py` says how the fit goes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from edge_ranges import ranged
from jetson_fitting import (
    MAXN,
    MODES,
    TILES,
    Mode,
    Readings,
    fit_30w,
    fit_mode,
    fit_roofline,
    moved,
    read,
    specification,
)
from jetson_readings import data_folder
from jetson_scoring import (
    DTYPES,
    HEAVY,
    Guess,
    guesses,
    heavy,
    held_out,
    mean_percent,
    rounded,
    totals,
    with_errors,
    with_harness,
)
from orin_readings import smallest_ns

from latmodel.files import write_yaml
from latmodel.operator_fitting import parameters, with_parameters
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from latmodel.operators import OperatorModel

_MEASURED = (
    "torchvision's ViT-B/16, ViT-B/32 and ViT-L/16 at batch 1, segment by segment, each "
    "alone; medians over equal layers; clocks not locked"
)
_ASSUMED = (
    "every token count but 50 and 197; softmax and bmm, which were timed only inside "
    "attention; multiprocessors, clocks and bandwidth from the specification ({sms}, {ghz} GHz "
    "down to 0.306 GHz, {bandwidth:.0f} GB/s), which the readings bear out; the harness's own "
    "{harness:.3f} ms taken off; the {rows} x {columns} tile was chosen by the errors below; "
    "that the host dispatches one operator while the device computes another, so that a block "
    "takes the longer of the two"
)
_GAP = (
    "; the gap between the kernels of a graph is the 0.011 ms that the smallest product takes "
    "on an Orin Nano at 1.02 GHz (jetson-orin-matmul-analysis, 6b981e9, MIT), in cycles"
)
_MOVED = (
    "; cycles and launches start from those of MAXN, which the readings may move by about a "
    "tenth: that form was chosen among eight with the errors below in view"
)

_ONLY = "read with unlocked clocks at 50 and 197 tokens only: trust ratios more than latencies"
_ALONE = (
    "every operator was timed alone, so a launch holds its own wait for the device, and how "
    "far launches and computing overlap in a run is assumed: no model was timed whole"
)
_MODULE = "attention was timed as torch.nn.MultiheadAttention, which launches more than timm's"
_ERRATIC = (
    "in this mode the readings contradict each other (ViT-L's layers in 16 bits were faster "
    "than ViT-B's): the governor, not the shape, decided some of them"
)


def figures(readings: Readings, mode: Mode, found: Sequence[Guess]) -> tuple[ErrorFigure, ...]:
    """What a profile says of its own error."""
    stated = [
        (f"block segments of a model held out, {dtype}", heavy(found, dtype))
        for dtype in DTYPES
    ]
    stated += _kernel_alone(readings) if mode == MAXN else []
    lines = [
        ErrorFigure(what=what, mean_percent=mean_percent(of), rows=len(of))
        for what, of in stated
    ]
    sums = [pair for dtype in DTYPES for pair in totals(found, dtype).values()]
    for what, off in (
        (
            "all segments of a model held out, summed, every dtype",
            [abs(ours / read_ns - 1) for read_ns, ours in sums],
        ),
        (
            "the same with the harness put back, against the source's totals of all calls",
            with_harness(readings, mode, found),
        ),
    ):
        whole = round(100 * float(np.mean(off)), 1)
        lines.append(ErrorFigure(what=what, mean_percent=whole, rows=len(off)))
    return tuple(lines)


def _kernel_alone(readings: Readings) -> list[tuple[str, list[Guess]]]:
    """How the fp32 kernel fitted at 30 W does elsewhere, before MAXN's readings move it."""
    slow, watt_15 = fit_30w(readings), MODES["15w"]
    host = readings.host("15w") / readings.host("30w")
    slower = moved(slow, MODES["30w"], watt_15, host)
    own = [r for r in readings.rows["15w"] if r.segment in HEAVY and r.reading.dtype == "fp32"]
    bare = with_parameters(slow, {"products.0.launch_ns.0": 0.0})
    return [
        ("block segments at 15 W from the kernel fitted at 30 W, fp32", guesses(slower, own)),
        ("square products at 30 W, 512 to 2048, fp32", guesses(bare, readings.squares)),
    ]


def profile(readings: Readings, mode: Mode, found: Sequence[Guess]) -> DeviceProfile:
    """The profile of one power mode."""
    fitted = rounded(fit_mode(readings, mode))
    read_here = [o for row in readings.rows[mode.name] for o in row.reading.operators]
    operators = ranged(with_errors(replace(fitted, gap_ns=gap_ns(mode)), found), read_here)
    derived = _ASSUMED.format(
        sms=f"{mode.sms} multiprocessors",
        ghz=mode.ghz,
        bandwidth=mode.bandwidth_gb_s,
        harness=readings.harness_ns[mode.name] / 1e6,
        rows=mode.tile[0],
        columns=mode.tile[1],
    )
    slower = mode != MAXN
    return DeviceProfile(
        name=f"jetson-agx-orin-{mode.name}" if slower else "jetson",
        device=f"NVIDIA Jetson AGX Orin 64GB, {mode.name.upper()}, torch 2.1 eager",
        confidence="low",
        provenance=(
            Provenance(
                source="https://github.com/branes-ai/graphs, commit b6c5e82",
                licence="MIT",
                measured=_MEASURED,
                derived=derived + _GAP + _MOVED * slower,
            ),
        ),
        errors=figures(readings, mode, found),
        warnings=(_ONLY, _ALONE, _MODULE, *[_ERRATIC] * (mode.name == "50w")),
        operators=operators,
    )


def gap_ns(mode: Mode) -> float:
    """An Orin Nano's gap between kernels at 1.02 GHz, in as many cycles, to two digits."""
    smallest = smallest_ns(data_folder(), "MAXN_SUPER")
    return float(f"{smallest * 1.02 / mode.ghz:.2g}")


def profiles(folder: Path) -> Iterator[DeviceProfile]:
    """The profiles of all power modes; prints how each does."""
    readings = read(folder)
    for mode in MODES.values():
        found = held_out(readings, mode)
        report(readings, mode, found)
        yield profile(readings, mode, found)


def report(readings: Readings, mode: Mode, found: Sequence[Guess]) -> None:
    """Print what was held out, beside two baselines."""
    rows = readings.rows[mode.name]
    roofline = held_out(readings, mode, fit_roofline)
    columns = {
        "fitted": guesses(fit_mode(readings, mode), rows),
        "held out": found,
        "roofline held out": roofline,
        "specification": guesses(_peak(mode), rows),
    }
    print(f"\n{mode.name}: mean absolute error in percent, 9 segments each (3 models x 3)")
    print(" " * 6 + "".join(f"{name:>20}" for name in columns))
    for dtype in DTYPES:
        errors = (mean_percent(heavy(column, dtype)) for column in columns.values())
        print(f"{dtype:6}" + "".join(f"{error:20.1f}" for error in errors))
    print("whole models in ms: read less harness, held out, roofline held out")
    for dtype in DTYPES:
        for model, (read_ns, ours) in totals(found, dtype).items():
            line = totals(roofline, dtype)[model][1]
            print(f"{dtype:6}{model:10}{read_ns / 1e6:8.1f}{ours / 1e6:8.1f}{line / 1e6:8.1f}")
    print("stated in the profile")
    for figure in figures(readings, mode, found):
        print(f"  {figure.mean_percent:5.1f} % of {figure.rows:2} rows: {figure.what}")


def _peak(mode: Mode) -> OperatorModel:
    """The specification taken at its word: no launch, every cycle used."""
    bare = specification(mode, tile=(1, 1))
    values = {path: 0.0 for path in parameters(bare) if ".launch_ns" in path}
    for part, flops in enumerate((256, 2048)):  # of one multiprocessor in a cycle
        values[f"products.{part}.kernels.0.element_ns"] = 2 / flops / mode.ghz
    return with_parameters(bare, values)


def report_tiles(readings: Readings, mode: Mode) -> None:
    """Print how each fp32 tile does on models held out."""
    print(f"\n{mode.name}, fp32 tile: error of segments held out, in percent; whole models")
    for tile in TILES:
        found = held_out(readings, mode, partial(fit_mode, tile=tile))
        sums = (f"{a / 1e6:6.1f}{b / 1e6:6.1f}" for a, b in totals(found, "fp32").values())
        print(f"  {tile[0]:3} x {tile[1]:3}{mean_percent(heavy(found, 'fp32')):7.1f}  ", *sums)


def main() -> None:
    """Read, fit, report, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", help="folder to write the profiles to; default: report only")
    parser.add_argument("--tiles", action="store_true", help="compare fp32 tiles as well")
    arguments = parser.parse_args()
    for made in profiles(data_folder()):
        if arguments.out:
            write_yaml(Path(arguments.out) / f"{made.name}.yaml", made.to_dict())
    if arguments.tiles:
        readings = read(data_folder())
        for mode in MODES.values():
            report_tiles(readings, mode)


if __name__ == "__main__":
    main()
