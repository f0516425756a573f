"""What is to run, where, and how fast."""

from __future__ import annotations

import click

from latmodel.stretches import MODES
from latmodel.workload import DTYPES
from optimizer.cli.option_group import Option, OptionGroup

__all__ = ["QUESTION"]


def _one_or_several(
    _ctx: click.Context, _option: click.Parameter, names: tuple[str, ...]
) -> str | tuple[str, ...] | None:
    """One name where there is one, as all but a fleet's group expect it."""
    return names if len(names) > 1 else next(iter(names), None)


QUESTION = OptionGroup(
    title="Question",
    plans=True,
    options=(
        Option(
            "--budget",
            everyday=True,
            help="20ms, 500us, 0.02s, or 60% of the unpruned latency.",
        ),
        Option(
            "--device-profile",
            everyday=True,
            multiple=True,
            callback=_one_or_several,
            help="A file or a shipped name; repeat it for a fleet.",
        ),
        Option(
            "--model",
            everyday=True,
            default="deit_small_patch16_224",
            show_default=True,
            help="timm's name.",
        ),
        Option(
            "--batch",
            everyday=True,
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Images per call.",
        ),
        Option("--dtype", type=click.Choice(DTYPES), help="[default: fp32 if known]"),
        Option("--mode", type=click.Choice(MODES), help="[default: the profile's own]"),
    ),
)
