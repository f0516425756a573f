"""What is maximised: kept tokens, or the fidelity that was measured on images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latmodel.cli.dtypes import say_dtype
from latmodel.files import require_target
from optimizer.budget import Budget
from optimizer.cli.damage_tables import IMAGES, measure_table, read_table
from optimizer.cli.option_group import FILE, Given, Option, OptionGroup, Outcome
from optimizer.images.names import require_source
from optimizer.optimizing import optimize

if TYPE_CHECKING:
    from optimizer.fidelity.damage import DamageTable
    from optimizer.fidelity.measuring import Corrected, Round
    from optimizer.plan import Plan

__all__ = ["FIDELITY"]

_OBJECTIVES = ("kept-tokens", "fidelity")

_OTHERS = ("schedule", "frontier", "models", "image_sizes", "batches")
"""Options under which there is no one model to be planned."""


def _asked(given: Given) -> bool:
    return bool(given["objective"] == "fidelity")


def _measures(given: Given) -> bool:
    return _asked(given) and given["images"] is not None


def _check(given: Given) -> None:
    """Refuse what cannot be measured, before a model is built."""
    if not _asked(given):
        for name in ("images", "damage"):
            if given[name] is not None:
                raise click.UsageError(f"--{name} needs --objective fidelity")
        return
    for name in _OTHERS:
        if given[name]:
            option = name.replace("_", "-")
            raise click.UsageError(f"--objective and --{option}: leave one out")
    if isinstance(given["device_profile"], tuple):
        raise click.UsageError(
            "--objective fidelity is of one device: give one --device-profile"
        )
    if given["images"] is not None:
        _check_measuring(given)
    elif given["damage"] is None:
        raise click.UsageError(
            "--objective fidelity needs --images to measure on, or --damage, a table that was "
            "measured before"
        )


def _check_measuring(given: Given) -> None:
    require_source(given["images"])
    if given["checkpoint"] is None and not given["pretrained"]:
        raise click.UsageError(
            "--images measures what cuts cost, which random weights cannot tell: give "
            "--checkpoint or --pretrained"
        )
    if given["damage"] is not None:
        _check_target(given)


def _check_target(given: Given) -> None:
    require_target(given["damage"])
    for name in ("out", "export", "picture", "checkpoint"):
        other = given[name]
        if other is not None and os.path.realpath(other) == os.path.realpath(given["damage"]):
            raise click.UsageError(f"--damage and --{name} name one file: {other}")


def _choose(given: Given, options: Given) -> tuple[Plan, Outcome] | None:
    if not _asked(given):
        return None
    rest: dict[str, Any] = {
        name: value
        for name, value in options.items()
        if name not in ("budget", "device_profile", "model")
    }

    def plan_by(damage: DamageTable) -> Plan:
        return optimize(
            given["model"], budget=Budget.parse(given["budget"]),
            profile=given["device_profile"], damage=damage, **rest,
        )  # fmt: skip

    if given["images"] is None:
        table = read_table(given)
        return plan_by(table), _outcome(table, given["damage"], None)
    table, corrected = measure_table(given, plan_by)
    if given["dtype"] is None:
        say_dtype(corrected.plan.profile, corrected.plan.dtype)
    return corrected.plan, _outcome(table, given["damage"], corrected)


def _outcome(table: DamageTable, path: Path | None, corrected: Corrected | None) -> Outcome:
    rounds = [] if corrected is None else [_round(one) for one in corrected.rounds]
    said = f"{table.images} images, {table.depth} blocks, score {table.score}"
    lines = [f"damage       {'measured' if path is None else path}: {said}"]
    if len(rounds) > 1:
        lines.append(
            f"corrected    {len(rounds) - 1} times; the best that was measured is kept"
        )
    return Outcome(
        key="damage",
        values={
            "file": None if path is None else str(path),
            "images": table.images,
            "weights_sha256": table.weights,
            "images_sha256": table.pictures,
            "rounds": rounds,
        },
        lines=tuple(lines),
    )


def _round(one: Round) -> dict[str, object]:
    return {
        "tokens": list(one.schedule.tokens),
        "predicted": one.predicted,
        "measured": one.measured.damage,
        "measured_error": one.measured.error,
    }


FIDELITY = OptionGroup(
    title="Fidelity",
    check=_check,
    choose=_choose,
    spreads=_measures,
    options=(
        Option(
            "--objective",
            type=click.Choice(_OBJECTIVES),
            default="kept-tokens",
            show_default=True,
            help="What is maximised: tokens, or how near answers stay to the uncut model's.",
        ),
        Option(
            "--images",
            metavar="SOURCE",
            help=f"For fidelity: to measure on; {IMAGES} of them unless --images-limit.",
        ),
        Option(
            "--damage",
            type=FILE,
            help="For fidelity: the measured table; written with --images, else read.",
        ),
    ),
)
