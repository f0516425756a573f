"""What accuracy is left at equal latency: ours beside the published ways of dropping tokens.

    python benchmarks/accuracy.py --runtime torch-eager onnxruntime --picture frontiers.png

The model is the one that ships (`digits_model.py`), its images are held-out digits on new
canvases. For each runtime this machine is probed, every method gets schedules for budgets of
35 to 95 % by that profile, and then all of them are *timed*, in turn, beside the uncut model;
accuracy is compared at equal measured latency, on each method's own frontier. Two devices that
are not here stand in by their latency tables: the readings of an RTX 3090 at every count (from
`../shared/data`) and the Jetson profile. There the rivals are also tuned as their authors do,
to arithmetic, and the table tells how far over or under the budget that lands.

What cuts cost is measured on canvases of training digits, without their labels. Answers are
kept in `--answers`, so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import torch
from accuracy_devices import staircases
from accuracy_methods import OURS, RIVALS
from accuracy_picture import draw_frontiers
from accuracy_plans import Device, Fitted
from accuracy_running import Answers, Images, shares_of, vit_digits
from accuracy_scoring import Point
from accuracy_table import best_lines, equal_latency_lines, flops_lines
from accuracy_values import measured
from digits_model import load_digits_model
from rich.progress import Progress

from latmodel.measuring import probe_profile
from latmodel.runtimes.module_timer import ModuleTimer
from latmodel.runtimes.registry import build_timer

if TYPE_CHECKING:
    from latmodel.table import LatencyTable
    from latmodel.workload import Workload
    from optimizer.fidelity.damage import DamageTable

BUDGETS = (0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Where methods are compared, as shares of the uncut model's latency."""

GRID = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Budgets that every method gets a schedule for."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", nargs="*", default=("torch-eager", "onnxruntime"))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, default=500, help="canvases of each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--score", nargs="+", default=("cls", "pomt"), help="of ours")
    parser.add_argument("--calibration", type=int, default=128, help="canvases, for the value")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--weights", type=Path, help="others than those that ship")
    parser.add_argument("--answers", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--no-tables", action="store_true", help="leave the two devices out")
    return parser.parse_args()


Methods = dict[str, list[Point]]


def _probed(timer: ModuleTimer) -> tuple[LatencyTable, Workload]:
    """This machine's latency table of the model in a runtime."""
    with Progress(transient=True) as progress:
        task = progress.add_task(f"probing {timer.runtime}", total=None)

        def tell(phase: str, what: str, _done: float) -> None:
            progress.update(task, description=f"{timer.runtime}: {phase} {what}")

        profile = probe_profile(timer, name=timer.runtime, on_progress=tell)
    return profile.table(timer.workload), timer.workload


def _points(
    fitted: Mapping[str, Iterable[Fitted]], shares: Mapping[str, float], answers: Answers
) -> Methods:
    """Each method's settings, and the uncut model, which is a setting of every method."""
    return {
        name: [
            answers.point(1.0, None),
            *(answers.point(shares[one.setting.key], one.setting) for one in some),
        ]
        for name, some in fitted.items()
    }


def _print_methods(methods: Methods) -> None:
    for agreement in (False, True):
        print()
        print(*equal_latency_lines(methods, BUDGETS, agreement=agreement), sep="\n")
    for ours in OURS:
        print()
        print(*best_lines(methods, BUDGETS, ours), sep="\n")


def _here(
    runtime: str, args: argparse.Namespace, answers: Answers, damages: tuple[DamageTable, ...]
) -> Methods:
    """Everything timed on this machine in one runtime."""
    timer = build_timer(runtime, vit_digits.__name__, batch=args.batch)
    assert isinstance(timer, ModuleTimer)
    device = Device(*_probed(timer), damages)
    fitted = device.every(GRID)
    settings = [one.setting for some in fitted.values() for one in some]
    answers.ask(settings)
    shares = shares_of(timer, answers.model, settings, rounds=args.rounds)
    methods = _points(fitted, shares, answers)
    place = timer.environment()
    print(
        f"\n{runtime}, {place.device}, {place.threads} threads, batch {args.batch}, "
        f"{len(answers.images.labels)} images, {args.rounds} rounds of {len(shares)} settings"
    )
    _print_budgets(fitted, shares)
    _print_methods(methods)
    return methods


def _print_budgets(fitted: Mapping[str, Iterable[Fitted]], shares: Mapping[str, float]) -> None:
    """How measured latency compares with the profile's, by method."""
    print("measured over planned latency: median, least, most")
    for name, some in fitted.items():
        ratios = [shares[one.setting.key] / one.share for one in some]
        if ratios:
            print(
                f"    {name:12} {np.median(ratios):6.3f} {min(ratios):6.3f} {max(ratios):6.3f}"
            )


def _elsewhere(name: str, device: Device, answers: Answers) -> Methods:
    """A device that stands in by its table: latency is the table's."""
    fitted = device.every(GRID)
    by_flops = {
        share: {ours: device.ours(ours, share) for ours in OURS}
        | {rival: device.rival(rival, share, by_flops=True) for rival in RIVALS}
        for share in BUDGETS
        if device.ours(OURS[0], share).within
    }
    every = [*fitted.values(), *(list(row.values()) for row in by_flops.values())]
    answers.ask(one.setting for some in every for one in some)
    shares = {one.setting.key: one.share for some in fitted.values() for one in some}
    methods = _points(fitted, shares, answers)
    print(f"\n{name}: latency by its table")
    _print_methods(methods)
    print()
    right = {key: answers.accuracy(key) for key in answers.known}
    print(*flops_lines(by_flops, right), sep="\n")
    return methods


def main() -> None:
    """Print the tables of every runtime and device, and draw the picture."""
    args, start = _arguments(), monotonic()
    model = load_digits_model(args.weights)
    answers = Answers(model, Images.drawn(args.seeds, args.images), args.answers)
    answers.ask([])
    print(f"uncut: {answers.accuracy(''):.1%} of {len(answers.images.labels)} images")
    damages = tuple(measured(model, images=args.calibration, score=one) for one in args.score)
    print(f"damage measured on {args.calibration} images, {monotonic() - start:.0f} s so far")
    found = {name: _here(name, args, answers, damages) for name in args.runtime}
    if not args.no_tables:
        for name, table, workload in staircases():
            found[name] = _elsewhere(name, Device(table, workload, damages), answers)
    if args.picture is not None:
        draw_frontiers(found, args.picture)
    print(f"\ntorch {torch.__version__}, {(monotonic() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
