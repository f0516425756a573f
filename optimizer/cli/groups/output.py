"""Where the answer goes; the last group, so that it writes once all others are done."""

from __future__ import annotations

from latmodel.files import require_target
from optimizer.cli.option_group import FILE, Given, Option, OptionGroup
from optimizer.plan import Plan
from optimizer.saving import write_plan

__all__ = ["OUTPUT"]


def _check(given: Given) -> None:
    if given["out"] is not None:
        require_target(given["out"])


def _act(plan: Plan, given: Given) -> None:
    if given["out"] is not None:
        write_plan(given["out"], plan)


OUTPUT = OptionGroup(
    title="Output",
    check=_check,
    act=_act,
    options=(
        Option("--out", everyday=True, type=FILE, help="Write the schedule (.yaml, .json)."),
        Option("--json", "as_json", everyday=True, is_flag=True, help="Print one JSON object."),
    ),
)
