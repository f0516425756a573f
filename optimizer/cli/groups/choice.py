"""Several models, image sizes or batches: plan each and take the best by a written rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from latmodel.cli.dtypes import say_dtype
from optimizer.budget import Budget
from optimizer.cli.option_group import FILE, Given, Option, OptionGroup, Outcome
from optimizer.cli.values import names, rate, whole_numbers
from optimizer.reporting_choices import choice_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.choice import Choice
    from optimizer.plan import Plan

__all__ = ["CHOICE"]

_ASKED = ("models", "image_sizes", "batches")

_OWN_SIZE = ("verify", "evaluate", "export", "picture")
"""What builds the model at its own image size."""


def _check(given: Given) -> None:
    """Refuse what would fail after the solves, or be left undone."""
    asked = [name for name in _ASKED if given[name] is not None]
    for name in ("least_kept", "accuracies"):
        if given[name] is not None and not asked:
            raise click.UsageError(
                f"--{_option(name)} needs --models, --image-sizes or --batches"
            )
    if not asked:
        return
    for name in ("schedule", "frontier"):
        if given[name]:
            raise click.UsageError(f"--{name} and --{_option(asked[0])}: leave one out")
    _refuse_given("model", "models", given)
    _refuse_given("batch", "batches", given)
    if "batches" in asked:
        _check_batches(given, asked)
    if "image_sizes" in asked:
        for name in _OWN_SIZE:
            if given[name]:
                raise click.UsageError(
                    f"--{name} builds the model at its own image size: leave out --image-sizes"
                )


def _check_batches(given: Given, asked: list[str]) -> None:
    if len(asked) > 1:
        raise click.UsageError(
            "--batches asks for the most images per second, which the smallest model and image "
            f"always win: leave out --{_option(asked[0])}"
        )
    if given["accuracies"] is not None:
        raise click.UsageError("--accuracies tell models apart: leave it out with --batches")


def _refuse_given(one: str, several: str, given: Given) -> None:
    source = click.get_current_context().get_parameter_source(one)
    if given[several] is not None and source is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError(f"--{one} and --{several}: leave one out")


def _option(name: str) -> str:
    return name.replace("_", "-")


def _choose(given: Given, options: Given) -> tuple[Plan, Outcome] | None:
    if all(given[name] is None for name in _ASKED):
        return None
    from rich.console import Console  # noqa: PLC0415 (a tenth of a second)
    from rich.progress import Progress  # noqa: PLC0415

    most = len(given["batches"] or given["models"] or (None,)) * len(
        given["image_sizes"] or (None,)
    )
    talk = Console(stderr=True)
    # Where nobody watches, a bar would leave an empty line.
    bar = Progress(console=talk, transient=True, disable=not talk.is_interactive)
    with bar as progress:
        task = progress.add_task("planning", total=most)
        begun: list[str] = []

        def on_candidate(name: str) -> None:
            progress.update(task, description=name, completed=len(begun))
            begun.append(name)

        choice = _chosen(given, options, on_candidate)
    if given["dtype"] is None:
        say_dtype(choice.plan.profile, choice.plan.dtype)
    lines = ("", *choice_lines(choice))
    return choice.plan, Outcome(
        key="choice", values=choice.to_dict(), lines=lines, act_on=not choice.satisfied
    )


def _chosen(given: Given, options: Given, on_candidate: Callable[[str], None]) -> Choice:
    from optimizer import choosing  # noqa: PLC0415 (with the answer alone)
    from optimizer.accuracies import read_accuracies  # noqa: PLC0415

    least: dict[str, Any] = (
        {} if given["least_kept"] is None else {"least_kept": given["least_kept"]}
    )
    limit, profile = Budget.parse(given["budget"]), given["device_profile"]
    others = {
        name: value
        for name, value in options.items()
        if name not in ("budget", "device_profile", "model", "batch")
    }
    if given["batches"] is not None:
        return choosing.choose_batch(
            given["model"], given["batches"], profile=profile, budget=limit,
            on_candidate=on_candidate, **least, **others,
        )  # fmt: skip
    path = given["accuracies"]
    return choosing.choose_model(
        given["models"] or (given["model"],), profile=profile, budget=limit,
        image_sizes=given["image_sizes"] or (), batch=given["batch"],
        accuracies=None if path is None else read_accuracies(path),
        on_candidate=on_candidate, **least, **others,
    )  # fmt: skip


CHOICE = OptionGroup(
    title="Choice",
    check=_check,
    choose=_choose,
    options=(
        Option(
            "--models",
            everyday=True,
            type=names,
            metavar="NAMES",
            help="The best of several, with commas between.",
        ),
        Option(
            "--image-sizes",
            type=whole_numbers,
            metavar="PIXELS",
            help="The best of several sides, such as 160,192,224.",
        ),
        Option(
            "--batches",
            type=whole_numbers,
            metavar="BATCHES",
            help="Most images per second, such as 1,2,4,8; --budget is for a call.",
        ),
        Option(
            "--least-kept",
            type=rate,
            metavar="RATE",
            help="Share of tokens to keep. [default: 0.7; for --batches 1]",
        ),
        Option("--accuracies", type=FILE, help="CSV to show beside --models: model, top1."),
    ),
)
