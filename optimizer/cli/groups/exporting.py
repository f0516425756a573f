"""Write the cut model as ONNX, check its answers, and time it in the runtime."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from latmodel.extras import require_extra
from latmodel.files import require_target
from optimizer.cli.option_group import FILE, Given, Option, OptionGroup, Outcome
from optimizer.plan import Plan
from optimizer.reporting_exports import export_lines

if TYPE_CHECKING:
    from optimizer.exporting import Export

__all__ = ["EXPORTING"]

_RUNTIMES = ("onnxruntime", "openvino")


def _check(given: Given) -> None:
    """Refuse what would fail after the solve."""
    if given["export"] is None:
        if given["export_runtime"] is not None or given["any_batch"]:
            option = "--any-batch" if given["any_batch"] else "--export-runtime"
            raise click.UsageError(f"{option} needs --export")
        return
    require_target(given["export"])
    for name in ("out", "schedule", "picture", "checkpoint"):
        other = given[name]
        if other is not None and os.path.realpath(other) == os.path.realpath(given["export"]):
            raise click.UsageError(f"--export and --{name} name one file: {other}")
    # Any of the two will do where none is asked for; the first is named where there is none.
    asked = given["export_runtime"] or next(filter(find_spec, _RUNTIMES), _RUNTIMES[0])
    require_extra("--export", ("onnx", "onnxscript", asked), extra=asked)


def _act(plan: Plan, given: Given) -> Outcome | None:
    if given["export"] is None:
        return None
    if plan.status.over_budget:
        click.echo("not exported: no schedule meets the budget", err=True)
        return None
    found = _export(plan, given)
    return Outcome(key="export", values=found.to_dict(), lines=tuple(export_lines(found)))


def _export(plan: Plan, given: Given) -> Export:
    # Seconds of imports, so only once there is something to export.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    rounds = given["rounds"]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("loading torch", total=None)
        from optimizer import exporting  # noqa: PLC0415

        def step(what: str) -> None:
            # Only rounds can be counted; before them, the bar only moves.
            total = rounds + 2 if what.startswith("timing") else None
            progress.update(task, description=what, total=total)

        return exporting.export(
            plan,
            given["export"],
            runtime=given["export_runtime"],
            any_batch=given["any_batch"],
            rounds=rounds,
            on_step=step,
            on_round=lambda: progress.advance(task),
        )


EXPORTING = OptionGroup(
    title="Exporting",
    check=_check,
    act=_act,
    options=(
        Option(
            "--export",
            everyday=True,
            type=FILE,
            help="Write the cut model as ONNX, check and time it.",
        ),
        Option(
            "--export-runtime",
            type=click.Choice(_RUNTIMES),
            help="To check and time in. [default: check in all that are installed]",
        ),
        Option("--any-batch", is_flag=True, help="Let the file take any number of images."),
    ),
)
