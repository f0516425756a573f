"""See which patches the cut model keeps, block by block, over an image."""

from __future__ import annotations

from pathlib import Path

import click

from latmodel.extras import require_extra
from latmodel.plotting import require_picture_target, write_plot
from optimizer.cli.option_group import FILE, Given, Option, OptionGroup, Outcome
from optimizer.plan import Plan

__all__ = ["PICTURE"]


def _check(given: Given) -> None:
    target: Path | None = given["picture"]
    for name in ("image", "checkpoint", "pretrained"):
        if given[name] and target is None:
            raise click.UsageError(f"--{name} is for --picture: say where that is to go")
    if target is None:
        return
    if given["checkpoint"] is not None and given["pretrained"]:
        raise click.UsageError("--checkpoint and --pretrained exclude each other")
    require_picture_target(target)
    require_extra("a picture", ("matplotlib",), extra="plot")
    for name in ("image", "checkpoint"):
        if given[name] is not None and not given[name].is_file():
            raise click.UsageError(f"--{name} {given[name]}: no such file")


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

        sources = {name: given[name] for name in ("image", "checkpoint", "pretrained")}
        planned = picture_plan(plan, **sources)
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
        Option(
            "--checkpoint",
            type=FILE,
            help="For --picture: weights, .safetensors or torch's. [default: random]",
        ),
        Option("--pretrained", is_flag=True, help="For --picture: timm's weights, downloaded."),
    ),
)
