"""Which tokens go, and what becomes of them."""

from __future__ import annotations

import click

from optimizer.cli.option_group import Option, OptionGroup
from optimizer.plan import DROPPED, SCORES

__all__ = ["CUTTING"]

CUTTING = OptionGroup(
    title="Cutting",
    plans=True,
    options=(
        Option(
            "--score",
            type=click.Choice(SCORES),
            default="pomt",
            show_default=True,
            help="What chooses the tokens that stay.",
        ),
        Option(
            "--dropped",
            type=click.Choice(DROPPED),
            default="average",
            show_default=True,
            help="What becomes of the others.",
        ),
        Option("--proportional", is_flag=True, help="Weigh tokens by what they stand for."),
    ),
)
