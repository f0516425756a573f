"""What is maximised: kept tokens, or the fidelity that was measured on images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latmodel.cli.dtypes import say_dtype
from latmodel.files import require_target
from optimizer.budget import Budget
from optimizer.cli.groups.images import image_options
from optimizer.cli.groups.weights import weight_options
from optimizer.cli.option_group import FILE, Given, Option, OptionGroup, Outcome
from optimizer.fidelity.journal import journal_path, remove_journal
from optimizer.fidelity.saving import read_damage, write_damage
from optimizer.images.names import require_source
from optimizer.images.spreading import find_world
from optimizer.optimizing import optimize

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from optimizer.fidelity.damage import DamageTable
    from optimizer.fidelity.measuring import Corrected, Round
    from optimizer.images.loading import Images
    from optimizer.plan import Plan

__all__ = ["FIDELITY"]

_OBJECTIVES = ("kept-tokens", "fidelity")

_IMAGES = 128
"""Images that are taken unless it is said how many."""

_OTHERS = ("schedule", "frontier", "models", "image_sizes", "batches")
"""Options under which there is no one model to be planned."""

_CORRECTIONS = 3


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
    if given["images"] is None and given["damage"] is None:
        raise click.UsageError(
            "--objective fidelity needs --images to measure on, or --damage, a table that was "
            "measured before"
        )
    if given["images"] is not None:
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
        table = _read(given)
        return plan_by(table), _outcome(table, given["damage"], None)
    table, corrected = _measured(given, plan_by)
    if given["dtype"] is None:
        say_dtype(corrected.plan.profile, corrected.plan.dtype)
    return corrected.plan, _outcome(table, given["damage"], corrected)


def _read(given: Given) -> DamageTable:
    """The table of a file, of the weights that were given, if any were."""
    table = read_damage(given["damage"])
    if given["checkpoint"] is not None or given["pretrained"]:
        from optimizer.fidelity.measuring import digest_of_weights  # noqa: PLC0415

        table.require_weights(digest_of_weights(_model(given)))
    return table


def _model(given: Given) -> nn.Module:
    # Seconds of imports, so only once there is something to measure.
    from latmodel.runtimes.devices import find_device  # noqa: PLC0415
    from optimizer.pruning.weighted import weighted_model  # noqa: PLC0415

    world = find_world()
    place = find_device(given["device"])
    if place.type == "cuda" and place.index is None and world.size > 1:
        place = find_device(f"cuda:{world.local_rank}")
    weights: dict[str, Any] = weight_options(given)
    return weighted_model(given["model"], **weights).model.to(place)


def _measured(
    given: Given, plan_by: Callable[[DamageTable], Plan]
) -> tuple[DamageTable, Corrected]:
    from rich.console import Console  # noqa: PLC0415 (a tenth of a second)
    from rich.progress import Progress  # noqa: PLC0415 (likewise)

    world, talk = find_world(), Console(stderr=True)
    # Where nobody watches, a bar would leave an empty line; and one process is enough to tell.
    bar = Progress(
        console=talk, transient=True, disable=not (talk.is_interactive and world.first)
    )
    with bar as progress:
        task = progress.add_task("building the model and finding its images", total=None)
        from optimizer.fidelity.measuring import correct  # noqa: PLC0415 (brings torch)
        from optimizer.images.loading import load_images  # noqa: PLC0415 (likewise)

        model = _model(given)
        reading: dict[str, Any] = image_options(given)
        reading["limit"] = reading["limit"] or _IMAGES
        images = load_images(given["images"], model, labelled=False, **reading)
        share = None if images.count is None else images.count / world.size
        progress.update(task, description="cutting one block at a time", total=share)
        table = _table(given, model, images, lambda seen: progress.advance(task, seen))
        progress.reset(task, total=None, description="measuring the schedule, cut by cut")
        return table, correct(
            model, images, table, plan_by, rounds=_CORRECTIONS, world=world,
            on_schedule=lambda: progress.advance(task),
        )  # fmt: skip


def _table(
    given: Given, model: nn.Module, images: Images, on_images: Callable[[float], object]
) -> DamageTable:
    """The table: of the file if it is of these weights and images, else measured."""
    from optimizer.fidelity.measuring import is_of, measure_damage  # noqa: PLC0415

    world, out = find_world(), given["damage"]
    how = {name: given[name] for name in ("score", "dropped", "proportional")}
    if out is not None and out.exists():
        known = read_damage(out)
        same = {name: getattr(known, name) for name in how} == how
        if same and is_of(known, model, images, world=world):
            return known
    table = measure_damage(
        model, images, **how, world=world, on_images=on_images,
        journal=None if out is None else journal_path(out),
    )  # fmt: skip
    if out is not None:
        if world.first:
            write_damage(out, table)
        remove_journal(out, world)
    return table


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
            help=f"For fidelity: to measure on; {_IMAGES} of them unless --images-limit.",
        ),
        Option(
            "--damage",
            type=FILE,
            help="For fidelity: the measured table; written with --images, else read.",
        ),
    ),
)
