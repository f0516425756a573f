"""Several devices: one schedule that meets every budget, or a comparison of each one's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from optimizer.budget import Budget
from optimizer.cli.groups.constraints import CONSTRAINTS
from optimizer.cli.option_group import Given, Option, OptionGroup
from optimizer.reporting_fleets import fleet_lines

if TYPE_CHECKING:
    from optimizer.fleet_plan import FleetPlan

__all__ = ["FLEET"]

_ACT_ON_IT = 1

_OF_ONE_DEVICE = (
    *("schedule", "frontier", "models", "image_sizes", "batches", "confidence"),
    *("measured_only", "verify", "evaluate", "export", "picture", "proportional"),
)
"""Options that need one device or one plan."""


def _check(given: Given) -> None:
    """Refuse what a fleet would leave undone, and a comparison of one."""
    if not isinstance(given["device_profile"], tuple):
        if given["per_device"]:
            raise click.UsageError("--per-device needs --device-profile twice or more")
        return
    for name in _OF_ONE_DEVICE:
        if given[name]:
            raise click.UsageError(
                f"--{name.replace('_', '-')} is of one device: give one --device-profile"
            )
    if given["budget"] is None:
        raise click.UsageError(
            "--budget is missing; for example: optimize --budget 80% --device-profile t4 "
            "--device-profile a100"
        )
    if given["out"] is not None and given["out"].suffix != ".json":
        raise click.UsageError(
            f"--out {given['out']}: found the ending {given['out'].suffix!r}, allowed for a "
            "fleet is .json"
        )


def _answer(given: Given) -> int | None:
    if not isinstance(given["device_profile"], tuple):
        return None
    plan = _planned(given)
    text = json.dumps(plan.to_dict(), indent=2)
    if given["out"] is not None:
        from latmodel.files import write_text  # noqa: PLC0415 (beside its only use)

        write_text(given["out"], text + "\n")
    for line in [text] if given["as_json"] else fleet_lines(plan):
        click.echo(line)
    if not given["as_json"]:
        for warning in plan.warnings:
            click.echo(f"warning: {warning}", err=True)
    return _ACT_ON_IT if plan.shared.status.over_budget else 0


def _planned(given: Given) -> FleetPlan:
    from rich.console import Console  # noqa: PLC0415 (a tenth of a second)

    from optimizer.fleet_planning import plan_fleet  # noqa: PLC0415 (likewise)

    # The proof may take a minute, in one call that cannot tell how far it is.
    with Console(stderr=True).status("looking for one schedule within every budget"):
        return plan_fleet(
            given["model"],
            profiles=given["device_profile"],
            budget=Budget.parse(given["budget"]),
            batch=given["batch"],
            dtype=given["dtype"],
            mode=given["mode"],
            per_device=given["per_device"],
            **{name: given[name] for name in CONSTRAINTS.names},
        )


FLEET = OptionGroup(
    title="Fleet",
    check=_check,
    answer=_answer,
    options=(
        Option(
            "--per-device",
            is_flag=True,
            help="With several --device-profile: each one's best too, on every device.",
        ),
    ),
)
