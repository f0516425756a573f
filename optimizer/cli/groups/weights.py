"""Which weights, for what looks at what a model answers."""

from __future__ import annotations

from pathlib import Path

import click

from optimizer.cli.option_group import FILE, Given, Option, OptionGroup

__all__ = ["WEIGHTS", "weight_options"]

_WEIGHING = ("damage", "images", "evaluate", "picture")
"""Options whose outcome depends on weights."""


def _check(given: Given) -> None:
    checkpoint: Path | None = given["checkpoint"]
    for name in ("checkpoint", "pretrained"):
        if given[name] and all(given[option] is None for option in _WEIGHING):
            needed = " or ".join(f"--{option}" for option in _WEIGHING)
            raise click.UsageError(f"--{name} needs {needed}")
    if checkpoint is not None and given["pretrained"]:
        raise click.UsageError("--checkpoint and --pretrained exclude each other")
    if checkpoint is not None and not checkpoint.is_file():
        raise click.UsageError(f"--checkpoint {checkpoint}: no such file")


def weight_options(given: Given) -> dict[str, object]:
    """The same as arguments of `weighted_model` and `picture_plan`."""
    return {name: given[name] for name in ("checkpoint", "pretrained")}


WEIGHTS = OptionGroup(
    title="Weights",
    check=_check,
    options=(
        Option(
            "--checkpoint",
            type=FILE,
            help="The model's weights, .safetensors or torch's. [default: random]",
        ),
        Option("--pretrained", is_flag=True, help="timm's weights, downloaded."),
    ),
)
