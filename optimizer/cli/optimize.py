"""`optimize`: a latency budget in, exact token counts per block out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latmodel.cli.dtypes import say_dtype
from latmodel.files import require_target
from latmodel.stretches import MODES
from latmodel.workload import DTYPES
from optimizer import optimizing
from optimizer.budget import Budget
from optimizer.cli.exporting import export_options, export_plan, require_exportable
from optimizer.plan import DROPPED, SCORES, Plan
from optimizer.reporting import plan_lines, verification_lines
from optimizer.reporting_exports import export_lines
from optimizer.saving import read_plan, write_plan
from optimizer.solution import Status

if TYPE_CHECKING:
    from optimizer.exporting import Export
    from optimizer.verifying import Verification

__all__ = ["optimize"]

_ACT_ON_IT = 1
"""The exit status of an answer that asks for a decision: no schedule meets the budget."""


_QUESTION = (
    *("budget", "device_profile", "model", "batch", "dtype", "mode", "earliest_cut"),
    *("max_cuts", "least_count", "multiple_of", "score", "dropped"),
)
"""The options that a written schedule has answered already."""


@click.command(
    epilog="Example: optimize --budget 20ms --device-profile jetson.yaml",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--budget", help="20ms, 500us, 0.02s, or 60% of the unpruned latency.")
@click.option("--device-profile", help="A file, or a shipped profile's name.")
@click.option(
    "--model", default="deit_small_patch16_224", show_default=True, help="timm's name."
)
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), help="[default: fp32 if known]")
@click.option("--mode", type=click.Choice(MODES), help="[default: the profile's own]")
@click.option(
    "--earliest-cut", type=int, help="First block to cut, from 0. [default: depth//4]"
)
@click.option("--max-cuts", type=int, help="Blocks that may drop tokens. [default: no limit]")
@click.option("--least-count", type=int, help="Tokens to keep. [default: prefix + 1]")
@click.option("--multiple-of", type=int, default=1, show_default=True, help="Of every count.")
@click.option("--score", type=click.Choice(SCORES), default="pomt", show_default=True)
@click.option("--dropped", type=click.Choice(DROPPED), default="average", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the schedule (.yaml, .json)."
)
@click.option("--schedule", type=click.Path(path_type=Path), help="Take a written one instead.")
@click.option("--verify", is_flag=True, help="Cut the model, run it here and time it.")
@click.option("--rounds", type=click.IntRange(min=2), default=30, show_default=True)
@click.option("--device", help="For --verify: cpu or cuda. [default: cuda if there is one]")
@export_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.version_option(package_name="token-budget")
@click.pass_context
def optimize(
    ctx: click.Context,
    /,
    *,
    schedule: Path | None,
    out: Path | None,
    verify: bool,
    rounds: int,
    device: str | None,
    export: Path | None,
    export_runtime: str | None,
    any_batch: bool,
    as_json: bool,
    **question: Any,  # the options of `_QUESTION`, each checked by click
) -> int:
    """Choose how many tokens each block of a vision transformer keeps, so that it meets a
    latency budget on a device.
    """  # noqa: D205 (click prints this as one paragraph)
    if out is not None:
        require_target(out)
    require_exportable(export, runtime=export_runtime, any_batch=any_batch)
    plan = _read(ctx, schedule) if schedule is not None else _solve(**question)
    feasible = plan.status is not Status.INFEASIBLE
    found = _verify(plan, rounds, device) if verify and feasible else None
    if verify and not feasible:
        click.echo("not verified: no schedule meets the budget", err=True)
    exported = None
    if export is not None and feasible:
        exported = export_plan(
            plan, export, runtime=export_runtime, any_batch=any_batch, rounds=rounds
        )
    elif export is not None:
        click.echo("not exported: no schedule meets the budget", err=True)
    if out is not None:
        write_plan(out, plan)
    _print(plan, found, exported, as_json)
    return 0 if feasible else _ACT_ON_IT


def _read(ctx: click.Context, schedule: Path) -> Plan:
    given = [
        name
        for name in _QUESTION
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(
            f"--{given[0].replace('_', '-')} cannot change what --schedule holds; leave one out"
        )
    return read_plan(schedule)


def _solve(
    *, budget: str | None, device_profile: str | None, model: str, **options: Any
) -> Plan:
    if budget is None or device_profile is None:
        missing = "--budget" if budget is None else "--device-profile"
        raise click.UsageError(
            f"{missing} is missing; for example: optimize --budget 20ms --device-profile jetson"
        )
    plan = optimizing.optimize(
        model,
        budget=Budget.parse(budget),
        profile=device_profile,
        **options,
    )
    if options["dtype"] is None:
        say_dtype(plan.profile, plan.dtype)
    return plan


def _verify(plan: Plan, rounds: int, device: str | None) -> Verification:
    # Seconds of imports, so only once there is something to verify.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    talk = Console(stderr=True)
    with talk.status("building and cutting the model"):
        from optimizer import verifying  # noqa: PLC0415
    with Progress(console=talk, transient=True) as progress:
        task = progress.add_task("cut and uncut in turn", total=rounds + 2)
        return verifying.verify(
            plan, device=device, rounds=rounds, on_round=lambda: progress.advance(task)
        )


def _print(
    plan: Plan, found: Verification | None, exported: Export | None, as_json: bool
) -> None:
    if as_json:
        values = plan.to_dict()
        if found is not None:
            values["verification"] = found.to_dict()
        if exported is not None:
            values["export"] = exported.to_dict()
        click.echo(json.dumps(values, indent=2))
        return
    for line in plan_lines(plan):
        click.echo(line)
    if found is not None:
        for line in verification_lines(found):
            click.echo(line)
    if exported is not None:
        for line in export_lines(exported):
            click.echo(line)
    for warning in plan.warnings:
        click.echo(f"warning: {warning}", err=True)
