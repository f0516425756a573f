"""The damage table that a command asks for: read from its file, or measured on its images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.cli.groups.images import image_options
from optimizer.cli.groups.weights import weight_options
from optimizer.cli.option_group import Given
from optimizer.fidelity.journal import journal_path, remove_journal
from optimizer.fidelity.saving import read_damage, write_damage
from optimizer.images.spreading import find_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from optimizer.fidelity.damage import DamageTable
    from optimizer.fidelity.measuring import Corrected
    from optimizer.images.loading import Images
    from optimizer.plan import Plan

__all__ = ["IMAGES", "measure_table", "read_table"]

IMAGES = 128
"""Images that are taken unless it is said how many."""

_CORRECTIONS = 3


def read_table(given: Given) -> DamageTable:
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


def measure_table(
    given: Given, plan_by: Callable[[DamageTable], Plan]
) -> tuple[DamageTable, Corrected]:
    """The table of the images that were given, and the plan that it leads to, corrected.

    It is written to the file that `--damage` names; what an interrupt leaves beside that file
    is gone on with, and a table there of the same weights and images is taken as it is.

    Args:
        given: the command's options.
        plan_by: solves with a table.
    """
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
        reading["limit"] = reading["limit"] or IMAGES
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
