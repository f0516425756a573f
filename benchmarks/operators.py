"""How good is the operator model, and what is it better than?

    python benchmarks/operators.py
    python benchmarks/operators.py --part bf16 --part tables

The parts, each of which prints its tables:

- fp32: NeuSight's operators on five GPUs; a fifth of the shapes, by a hash, is not fitted.
- vit: of these shapes and those of bf16, the ones near a vision transformer's.
- bf16: aiconfigurator's products on H200, A100 and L40S, half of them not fitted: half of the
  shapes, or every row count of half of the layers. Then the steps from x to x + 1 rows above
  9 %, x from 16 on, of pairs neither of which was fitted.
- models: whole vision transformers, beside what operators add up to.
- tables: how long the latency table of ViT-L at 577 tokens takes.

Errors are shown as `mean / median / share within 10 %`, all in percent of the reading. The
methods:

- spec roofline: the slower of arithmetic and memory by the data sheet; no launch.
- calibrated roofline: the same with launch, peak and bandwidth fitted.
- boosted trees: on the logs of the dimensions, fitted to the log of the latency.
- our waves alone: tiles, waves, launch and throttle, without the correction.
- ours: what `latmodel fit-operators` fits.

A large step's sign counts as right where the predicted step, however small, has it. Always
up and the majority sign at the same row count (of the pairs fitted) are what no model is
needed for. `measured, next in_features` is no prediction: it is how often the step measured
at the next larger reduction, all else equal, has the same sign.

The folder of readings is $LATMODEL_DATA, else ../shared/data beside the repository.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import operators_models as models
from jetson_readings import data_folder
from operator_data import NEUSIGHT, SOURCES
from operators_errors import HEAD, error_lines, vit_lines
from operators_fits import Outcome, Task, run
from operators_steps_table import (
    NOISE_HEAD,
    STEP_HEAD,
    ceiling_lines,
    noise_lines,
    step_lines,
)
from operators_tables import TABLE_HEAD, table_lines
from probing_table import aligned
from rich.console import Console
from rich.progress import track

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PARTS = ("fp32", "vit", "bf16", "models", "tables")

_KINDS = ("linear", "bmm", "softmax", "norm", "gelu", "add")
_FP32 = [Task(name, kind, "a fifth of the shapes") for kind in _KINDS for name in NEUSIGHT]
_SHAPES, _LAYERS = (
    [Task(name, "linear", split) for name in ("h200", "a100-80gb", "l40s")]
    for split in ("half of the shapes", "half of the layers")
)


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--part", action="append", choices=PARTS, help="only these; may be repeated"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    return parser.parse_args()


def _needed(parts: Sequence[str]) -> list[Task]:
    """What must be fitted for these parts, the longest first."""
    products = [task for task in _FP32 if task.kind in ("linear", "bmm")]
    tasks = {
        "bf16": [*_SHAPES, *_LAYERS],
        "vit": [*_SHAPES, *products],
        "fp32": _FP32,
    }
    return list(dict.fromkeys(task for part in tasks if part in parts for task in tasks[part]))


def _fit(tasks: Sequence[Task], jobs: int) -> dict[Task, Outcome]:
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        outcomes = track(
            pool.map(run, tasks),
            description="fitting operators",
            total=len(tasks),
            console=Console(stderr=True),
            transient=True,
        )
        return {outcome.task: outcome for outcome in outcomes}


def _show(title: str, head: Sequence[str], lines: Iterable[Sequence[str]], text: int) -> None:
    """Print one table; its first `text` columns are no numbers."""
    print(f"\n{title}\n\n{aligned([head, *lines], numbers_from=text)}", flush=True)


def _show_bf16(outcomes: dict[Task, Outcome]) -> None:
    for split, tasks in (("half of the shapes", _SHAPES), ("half of the layers", _LAYERS)):
        found = [outcomes[task] for task in tasks]
        _show(f"gemm_bf16, {split} unseen", HEAD, error_lines(found), 2)
    found = [outcomes[task] for task in (*_SHAPES, *_LAYERS)]
    timed = {name: SOURCES[name](data_folder())[0] for name in ("h200", "l40s")}
    steps = [*step_lines(found)]
    steps += [line for name, of in timed.items() for line in ceiling_lines(name, of)]
    _show("gemm_bf16, sign of steps over 9 %", STEP_HEAD, steps, 3)
    scatter = [line for name, of in timed.items() for line in noise_lines(name, of)]
    _show("gemm_bf16, scatter where nothing changes: 9 to 15 rows", NOISE_HEAD, scatter, 2)


def _show_models() -> None:
    folder = data_folder()

    def talk(words: str) -> None:
        print(f"whole models: {words}", file=sys.stderr)

    _show(
        "Jetson AGX Orin, a model's segments summed: read, predicted from the other two models",
        models.JETSON_HEAD,
        models.jetson_lines(folder, talk),
        2,
    )
    _show(
        "Orin Nano, V-JEPA 2's ViT-L in fp16, by the shipped profiles",
        models.PLATEAU_HEAD,
        models.plateau_lines(folder),
        0,
    )
    _show(
        "timm on CPUs, batch 1, fp32: models of one width predicted from those of others",
        models.CPU_HEAD,
        models.cpu_lines(folder, talk),
        1,
    )
    found = list(models.gpu_lines(folder))
    if found:
        _show(
            "timm on GPUs in amp, batches of hundreds, no whole model fitted",
            models.GPU_HEAD,
            found,
            1,
        )
    else:
        talk("no profile of a GPU with whole models in timm's results is shipped")


def main() -> None:
    """Fit what is asked for, print its tables."""
    arguments = _arguments()
    parts = arguments.part or PARTS
    outcomes = _fit(_needed(parts), arguments.jobs)
    if "fp32" in parts:
        found = [outcomes[task] for task in _FP32]
        _show("operators_fp32, a fifth of the shapes unseen", HEAD, error_lines(found), 2)
    if "bf16" in parts:
        _show_bf16(outcomes)
    if "vit" in parts:
        found = [outcomes[task] for task in _needed(("vit",))]
        _show("unseen shapes like a vision transformer's", HEAD, vit_lines(found), 2)
    if "models" in parts:
        _show_models()
    if "tables" in parts:
        _show("latency table of ViT-L/16 at 577 tokens", TABLE_HEAD, table_lines(), 2)


if __name__ == "__main__":
    main()
