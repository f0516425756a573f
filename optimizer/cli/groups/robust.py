"""How sure a plan is to keep its budget, and what it may rely on."""

from __future__ import annotations

import click

from optimizer.cli.option_group import Given, Option, OptionGroup
from optimizer.cli.values import probability

__all__ = ["ROBUST"]


def _check(given: Given) -> None:
    """Refuse what a frontier would leave undone."""
    for name in ROBUST.names:
        if given[name] and given["frontier"]:
            raise click.UsageError(
                f"--{name.replace('_', '-')} is of one plan, and --frontier makes many: leave "
                "one out"
            )


ROBUST = OptionGroup(
    title="Certainty",
    plans=True,
    check=_check,
    options=(
        Option(
            "--confidence",
            everyday=True,
            type=probability,
            metavar="SHARE",
            help="Keep the budget so surely, such as 95%.",
        ),
        Option("--measured-only", is_flag=True, help="Use only counts that were timed."),
    ),
)
