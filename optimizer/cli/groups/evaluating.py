"""Show images to the model, cut and uncut: how much accuracy is left, and at what latency?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from optimizer.cli.groups.images import image_options
from optimizer.cli.groups.weights import weight_options
from optimizer.cli.option_group import Given, Option, OptionGroup, Outcome
from optimizer.images.names import require_source
from optimizer.images.spreading import find_world
from optimizer.plan import Plan
from optimizer.reporting_evaluations import evaluation_lines

if TYPE_CHECKING:
    from optimizer.evaluating import Evaluation

__all__ = ["EVALUATING"]


def _asked(given: Given) -> bool:
    return given["evaluate"] is not None


def _check(given: Given) -> None:
    """Refuse what is no source of images, before a model is planned."""
    if _asked(given):
        require_source(given["evaluate"])


def _act(plan: Plan, given: Given) -> Outcome | None:
    if not _asked(given):
        return None
    if plan.status.over_budget:
        click.echo("not evaluated: no schedule meets the budget", err=True)
        return None
    found = _evaluate(plan, given)
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    return Outcome(
        key="evaluation", values=found.to_dict(), lines=tuple(evaluation_lines(found))
    )


def _evaluate(plan: Plan, given: Given) -> Evaluation:
    # Seconds of imports, so only once there is something to evaluate.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    world, talk = find_world(), Console(stderr=True)
    # Where nobody watches, a bar would leave an empty line; and one process is enough to tell.
    bar = Progress(
        console=talk, transient=True, disable=not (talk.is_interactive and world.first)
    )
    with bar as progress:
        task = progress.add_task("building the model and finding its images", total=None)
        from optimizer.evaluating import evaluate  # noqa: PLC0415
        from optimizer.images.loading import load_images  # noqa: PLC0415
        from optimizer.pruning.weighted import weighted_model  # noqa: PLC0415

        weights: dict[str, Any] = weight_options(given)
        reading: dict[str, Any] = image_options(given)
        weighted = weighted_model(plan.model, **weights)
        images = load_images(given["evaluate"], weighted.model, **reading)
        share = None if images.count is None else -(-images.count // world.size)
        progress.update(task, description="cut and uncut see the images", total=share)
        timing = progress.add_task("cut and uncut in turn", total=given["rounds"] + 2)
        return evaluate(
            weighted,
            plan,
            images,
            world=world,
            device=given["device"],
            rounds=given["rounds"],
            on_images=lambda seen: progress.advance(task, seen),
            on_round=lambda: progress.advance(timing),
        )


EVALUATING = OptionGroup(
    title="Evaluating",
    check=_check,
    act=_act,
    spreads=_asked,
    options=(
        Option(
            "--evaluate",
            metavar="SOURCE",
            help="Accuracy left: a folder of images, .tar, wds/FOLDER.",
        ),
    ),
)
