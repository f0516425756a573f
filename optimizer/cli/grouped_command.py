"""A command whose options are grouped by subject, and whose help fits a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from optimizer.cli.option_group import OptionGroup

__all__ = ["GroupedCommand"]

_ALL = "optimizer.help_all"
"""Where a context remembers that every option is to be listed."""


class GroupedCommand(click.Command):
    """A command that takes the options of some groups.

    `--help` lists the everyday ones, `--help-all` every option by group.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        groups: Sequence[OptionGroup],
        params: Sequence[click.Parameter] = (),
        **settings: Any,
    ) -> None:
        grouped = [option for group in groups for option in group.options]
        everything = click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_list_all,
            help="Show every option, by subject.",
        )
        super().__init__(name, params=[*grouped, *params, everything], **settings)
        self.groups = tuple(groups)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options that were asked for."""
        grouped = [option for group in self.groups for option in group.options]
        others = [param for param in self.get_params(ctx) if param not in grouped]
        if ctx.meta.get(_ALL):
            for group in self.groups:
                _write(ctx, formatter, group.title, group.options)
            _write(ctx, formatter, "Help", others)
        else:
            everyday = [option for option in grouped if option.everyday]
            _write(ctx, formatter, "Everyday options", [*everyday, *others])


def _write(
    ctx: click.Context,
    formatter: click.HelpFormatter,
    title: str,
    options: Sequence[click.Parameter],
) -> None:
    records = [option.get_help_record(ctx) for option in options]
    with formatter.section(title):
        formatter.write_dl([record for record in records if record is not None])


def _list_all(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()
