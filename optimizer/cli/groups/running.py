"""Run the cut model here: do the counts hold, does the budget?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from optimizer.cli.option_group import FILE, Given, Option, OptionGroup, Outcome
from optimizer.plan import Plan
from optimizer.reporting import verification_lines

if TYPE_CHECKING:
    from optimizer.verifying import Verification

__all__ = ["RUNNING"]


def _act(plan: Plan, given: Given) -> Outcome | None:
    if not given["verify"]:
        return None
    if plan.status.over_budget:
        click.echo("not verified: no schedule meets the budget", err=True)
        return None
    found = _verify(plan, given["rounds"], given["device"])
    return Outcome(
        key="verification", values=found.to_dict(), lines=tuple(verification_lines(found))
    )


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


RUNNING = OptionGroup(
    title="Running",
    act=_act,
    options=(
        Option(
            "--schedule",
            everyday=True,
            type=FILE,
            help="Take a written one instead.",
        ),
        Option(
            "--verify",
            everyday=True,
            is_flag=True,
            help="Cut the model, run it here and time it.",
        ),
        Option(
            "--rounds",
            type=click.IntRange(min=2),
            default=30,
            show_default=True,
            help="For --verify, --evaluate and --export: pairs of calls that are timed.",
        ),
        Option(
            "--device", help="For --verify and --evaluate: cpu or cuda. [default: cuda if any]"
        ),
    ),
)
