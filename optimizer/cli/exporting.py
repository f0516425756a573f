"""The options of `optimize` that write an ONNX file, and the work behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from latmodel.extras import require_extra
from latmodel.files import require_target

if TYPE_CHECKING:
    from optimizer.exporting import Export
    from optimizer.plan import Plan

__all__ = ["export_options", "export_plan", "require_exportable"]

_RUNTIMES = ("onnxruntime", "openvino")

_Command = TypeVar("_Command", bound=Callable[..., Any])


def export_options(command: _Command) -> _Command:
    """Give a command the options `--export`, `--export-runtime` and `--any-batch`."""
    for option in reversed(
        (
            click.option(
                "--export",
                type=click.Path(path_type=Path),
                help="Write the cut model as ONNX, check its answers and time it on the CPU.",
            ),
            click.option(
                "--export-runtime",
                type=click.Choice(_RUNTIMES),
                help="To check and time in. [default: check in all that are installed]",
            ),
            click.option(
                "--any-batch", is_flag=True, help="Let the file take any number of images."
            ),
        )
    ):
        command = option(command)
    return command


def require_exportable(export: Path | None, *, runtime: str | None, any_batch: bool) -> None:
    """Refuse what would fail after the solve.

    Raises:
        ProfileError: the file cannot be written.
        MissingExtraError: a package is not installed; names the extra that brings it.
        click.UsageError: an option of `--export` without it.
    """
    if export is None:
        if runtime is not None or any_batch:
            option = "--any-batch" if runtime is None else "--export-runtime"
            raise click.UsageError(f"{option} needs --export")
        return
    require_target(export)
    require_extra("--export", ("onnx", "onnxscript"), extra=runtime or "onnxruntime")


def export_plan(
    plan: Plan, path: Path, *, runtime: str | None, any_batch: bool, rounds: int
) -> Export:
    """Export a plan, with what is being done on stderr."""
    # Seconds of imports, so only once there is something to export.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("loading torch", total=None)
        from optimizer import exporting  # noqa: PLC0415

        def step(what: str) -> None:
            # Only rounds can be counted; before them, the bar only moves.
            total = rounds + 2 if what.startswith("timing") else None
            progress.update(task, description=what, total=total)

        return exporting.export(
            plan,
            path,
            runtime=runtime,
            any_batch=any_batch,
            rounds=rounds,
            on_step=step,
            on_round=lambda: progress.advance(task),
        )
