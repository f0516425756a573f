"""See which patches the cut model keeps, block by block, over an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from latmodel.extras import require_extra
from latmodel.plotting import require_picture_target, write_plot
from optimizer.cli.groups.weights import weight_options
from optimizer.cli.option_group import FILE, Given, Option, OptionGroup, Outcome
from optimizer.plan import Plan

__all__ = ["PICTURE"]


def _check(given: Given) -> None:
    target: Path | None = given["picture"]
    image: Path | None = given["image"]
    if image is not None and target is None:
        raise click.UsageError("--image is for --picture: say where that is to go")
    if target is None:
        return
    require_picture_target(target)
    require_extra("a picture", ("matplotlib",), extra="plot")
    if image is not None and not image.is_file():
        raise click.UsageError(f"--image {image}: no such file")


def _act(plan: Plan, given: Given) -> Outcome | None:
    if given["picture"] is None:
        return None
    if plan.status.over_budget:
        click.echo("not pictured: no schedule meets the budget", err=True)
        return None
    # Seconds of imports, so only once there is something to show.
    from rich.console import Console  # noqa: PLC0415

    with Console(stderr=True).status("building, cutting and running the model"):
        from optimizer.pruning.picturing import draw_kept  # noqa: PLC0415
        from optimizer.pruning.picturing.planned import picture_plan  # noqa: PLC0415

        weights: dict[str, Any] = weight_options(given)
        planned = picture_plan(plan, image=given["image"], **weights)
        write_plot(given["picture"], draw_kept(planned.picture))
    for remark in planned.remarks:
        click.echo(remark, err=True)
    panels = planned.picture.panels
    cuts = f"{len(panels) or 'no'} cut{'' if len(panels) == 1 else 's'}"
    return Outcome(
        key="picture",
        values={
            "file": str(given["picture"]),
            "image": planned.image,
            "weights": planned.weights,
            "grid": list(planned.picture.grid),
            "kept": {str(panel.block): list(panel.positions) for panel in panels},
        },
        lines=(f"picture      {given['picture']}: {cuts}; {planned.image}; {planned.weights}",),
    )


PICTURE = OptionGroup(
    title="Picture",
    check=_check,
    act=_act,
    options=(
        Option(
            "--picture",
            everyday=True,
            type=FILE,
            help="Draw the patches each block keeps (.png, .svg).",
        ),
        Option("--image", type=FILE, help="For --picture. [default: a made-up landscape]"),
    ),
)
