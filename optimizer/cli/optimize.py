"""`optimize`: a latency budget in, exact token counts per block out."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import click

from latmodel.cli.dtypes import say_dtype
from optimizer import optimizing
from optimizer.budget import Budget
from optimizer.cli.grouped_command import GroupedCommand
from optimizer.cli.groups.registry import GROUPS
from optimizer.cli.option_group import Given, OptionGroup, Outcome
from optimizer.images.spreading import find_world
from optimizer.plan import Plan
from optimizer.reporting import plan_lines
from optimizer.saving import read_plan

__all__ = ["optimize"]

_ACT_ON_IT = 1
"""The exit status of an answer that asks for a decision: no schedule meets the budget."""

_QUESTION = tuple(name for group in GROUPS if group.plans for name in group.names)
"""The options that a written schedule has answered already."""


@click.command(
    cls=GroupedCommand,
    groups=GROUPS,
    epilog="Example: optimize --budget 20ms --device-profile jetson.yaml",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="token-budget")
@click.pass_context
def optimize(ctx: click.Context, /, **given: Any) -> int:  # by name, each checked by click
    """Choose how many tokens each block of a vision transformer keeps, so that it meets a
    latency budget on a device.
    """  # noqa: D205 (click prints this as one paragraph)
    for group in GROUPS:
        group.check(given)
    for group in GROUPS:
        status = group.answer(given)
        if status is not None:
            return status
    if given["schedule"] is not None:
        _refuse_question(ctx)
    spread = [group for group in GROUPS if group.spreads(given)]
    if spread and not find_world().first:
        return _assist(given, spread)
    plan, said = _planned(given)
    outcomes = [said, *(group.act(plan, given) for group in GROUPS)]
    found = [outcome for outcome in outcomes if outcome is not None]
    _print(plan, found, given["as_json"])
    decide = plan.status.over_budget or any(outcome.act_on for outcome in found)
    return _ACT_ON_IT if decide else 0


def _assist(given: Given, spread: Sequence[OptionGroup]) -> int:
    """Do this process's part of the work; the first does the rest, and talks."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        plan, _ = _planned(given)
        for group in spread:
            group.act(plan, given)
    return 0


def _refuse_question(ctx: click.Context) -> None:
    for name in _QUESTION:
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(
                f"--{name.replace('_', '-')} cannot change what --schedule holds; leave one out"
            )


def _planned(given: Given) -> tuple[Plan, Outcome | None]:
    """The plan: read, or made as asked, or chosen by a group of options, which tells how."""
    if given["schedule"] is not None:
        return read_plan(given["schedule"]), None
    options = {name: given[name] for name in _QUESTION}
    for name in ("budget", "device_profile"):
        if given[name] is None:
            raise click.UsageError(
                f"--{name.replace('_', '-')} is missing; for example: optimize --budget 20ms "
                "--device-profile jetson"
            )
    for group in GROUPS:
        chosen = group.choose(given, options)
        if chosen is not None:
            return chosen
    return _solve(**options), None


def _solve(*, budget: str, device_profile: str, model: str, **options: Any) -> Plan:
    plan = optimizing.optimize(
        model,
        budget=Budget.parse(budget),
        profile=device_profile,
        **options,
    )
    if options["dtype"] is None:
        say_dtype(plan.profile, plan.dtype)
    return plan


def _print(plan: Plan, outcomes: Sequence[Outcome], as_json: bool) -> None:
    if as_json:
        values = plan.to_dict() | {found.key: found.values for found in outcomes}
        click.echo(json.dumps(values, indent=2))
        return
    for line in plan_lines(plan):
        click.echo(line)
    for found in outcomes:
        for line in found.lines:
            click.echo(line)
    for warning in plan.warnings:
        click.echo(f"warning: {warning}", err=True)
