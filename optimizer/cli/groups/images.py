"""Which images, for what looks at images."""

from __future__ import annotations

from pathlib import Path

import click

from optimizer.cli.option_group import FILE, Given, Option, OptionGroup

__all__ = ["IMAGES", "image_options"]

_LOOKING = ("images", "evaluate")
"""Options that name images; what stands here says how these are read."""

_OPTIONS = ("split", "class_map", "images_limit", "images_batch", "workers")


def _check(given: Given) -> None:
    asking = [name for name in _LOOKING if given[name] is not None]
    for name in _OPTIONS:
        if _set(name) and not asking:
            needed = " or ".join(f"--{one}" for one in _LOOKING)
            raise click.UsageError(f"--{name.replace('_', '-')} needs {needed}")
    class_map: Path | None = given["class_map"]
    if class_map is not None and not class_map.is_file():
        raise click.UsageError(f"--class-map {class_map}: no such file")


def _set(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def image_options(given: Given) -> dict[str, object]:
    """The same as arguments of `load_images`."""
    return {
        "split": given["split"],
        "class_map": given["class_map"],
        "limit": given["images_limit"],
        "batch": given["images_batch"],
        "workers": given["workers"],
    }


IMAGES = OptionGroup(
    title="Images",
    check=_check,
    options=(
        Option(
            "--split", metavar="NAME", help="Of the images' data set. [default: validation]"
        ),
        Option(
            "--class-map",
            type=FILE,
            help="A class folder's name a line, in the model's order. [default: sorted]",
        ),
        Option(
            "--images-limit",
            type=click.IntRange(min=1),
            metavar="COUNT",
            help="Take as many images, spread over all. [default: all]",
        ),
        Option(
            "--images-batch",
            type=click.IntRange(min=1),
            default=32,
            show_default=True,
            metavar="COUNT",
            help="Images that the model sees together.",
        ),
        Option(
            "--workers",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            metavar="COUNT",
            help="Processes that read images ahead.",
        ),
    ),
)
