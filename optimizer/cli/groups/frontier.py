"""Every budget at once: the whole trade-off as a table, a file and a picture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from latmodel.cli.dtypes import say_dtype
from latmodel.files import write_text
from optimizer.budget import Budget
from optimizer.cli.groups.constraints import CONSTRAINTS
from optimizer.cli.option_group import FILE, Given, Option, OptionGroup
from optimizer.reporting_tradeoffs import tradeoff_lines

if TYPE_CHECKING:
    from optimizer.tradeoff import Tradeoff

__all__ = ["FRONTIER"]

_ACT_ON_IT = 1

_OF_A_PLAN = ("schedule", "verify", "evaluate", "export", "picture", "time_limit_s")
"""Options that need one plan, where a frontier has many."""


def _check(given: Given) -> None:
    """Refuse what would fail after the solve, or be left undone."""
    if not given["frontier"]:
        for name in ("all", "plot"):
            if given[name]:
                raise click.UsageError(f"--{name} needs --frontier")
        return
    for name in _OF_A_PLAN:
        if given[name]:
            option = name.removesuffix("_s").replace("_", "-")
            raise click.UsageError(
                f"--{option} is of one plan, and --frontier makes many: leave one out"
            )
    if given["device_profile"] is None:
        raise click.UsageError(
            "--device-profile is missing; for example: optimize --frontier --device-profile "
            "jetson"
        )
    if given["out"] is not None and given["out"].suffix not in (".csv", ".json"):
        raise click.UsageError(
            f"--out {given['out']}: found the ending {given['out'].suffix!r}, allowed for a "
            "frontier are .csv and .json"
        )
    if given["plot"] is not None:
        from latmodel.extras import require_extra  # noqa: PLC0415 (for pictures alone)
        from latmodel.plotting import require_picture_target  # noqa: PLC0415

        require_extra("--plot", ("matplotlib",), extra="plot")
        require_picture_target(given["plot"])


def _answer(given: Given) -> int | None:
    if not given["frontier"]:
        return None
    budget = None if given["budget"] is None else Budget.parse(given["budget"])
    found = _find(given)
    budget_ns = None if budget is None else budget.within(found.dense_ns)
    _write(given, found, budget_ns)
    if given["as_json"]:
        click.echo(json.dumps(_values(found, budget_ns), indent=2))
    else:
        lines = tradeoff_lines(found, budget_ns=budget_ns, everything=given["all"])
        for line in lines:
            click.echo(line)
        for warning in found.warnings:
            click.echo(f"warning: {warning}", err=True)
    met = budget_ns is None or found.at(budget_ns) is not None
    return 0 if met else _ACT_ON_IT


def _find(given: Given) -> Tradeoff:
    from rich.console import Console  # noqa: PLC0415 (a tenth of a second)

    from optimizer.trading import find_tradeoff  # noqa: PLC0415 (likewise)

    # A large model's frontier takes seconds, in one call that cannot tell how far it is.
    with Console(stderr=True).status("finding every schedule that no other beats"):
        found = find_tradeoff(
            given["model"],
            profile=given["device_profile"],
            batch=given["batch"],
            dtype=given["dtype"],
            mode=given["mode"],
            **{name: given[name] for name in CONSTRAINTS.names if name != "time_limit_s"},
        )
    if given["dtype"] is None:
        say_dtype(found.profile, found.dtype)
    return found


def _values(found: Tradeoff, budget_ns: int | None) -> dict[str, object]:
    values = found.to_dict()
    if budget_ns is not None:
        chosen = found.at(budget_ns)
        values["budget_ms"] = budget_ns / 1e6
        values["chosen"] = None if chosen is None else chosen.to_dict()
    return values


def _write(given: Given, found: Tradeoff, budget_ns: int | None) -> None:
    if given["out"] is not None:
        as_csv = given["out"].suffix == ".csv"
        values = json.dumps(_values(found, budget_ns), indent=2) + "\n"
        write_text(given["out"], found.to_csv() if as_csv else values)
    if given["plot"] is not None:
        from latmodel.plotting import write_plot  # noqa: PLC0415 (brings matplotlib)
        from optimizer.plotting import draw_tradeoff  # noqa: PLC0415

        write_plot(given["plot"], draw_tradeoff(found, budget_ns=budget_ns))


FRONTIER = OptionGroup(
    title="Frontier",
    check=_check,
    answer=_answer,
    options=(
        Option(
            "--frontier",
            everyday=True,
            is_flag=True,
            help="Every budget at once: a table; --out takes .csv.",
        ),
        Option("--all", is_flag=True, help="For --frontier: every schedule, not a screenful."),
        Option("--plot", type=FILE, help="For --frontier: draw it (.png, .svg)."),
    ),
)
