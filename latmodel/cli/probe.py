"""`latmodel probe`: measure this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from latmodel.catalogue import write_profile
from latmodel.cli.bar import bar
from latmodel.cli.findings import findings
from latmodel.files import require_target
from latmodel.journal import journal_path, remove_journal
from latmodel.measuring import Effort, PartTimer, probe_profile
from latmodel.profile import DeviceProfile
from latmodel.resuming import targets, unfinished
from latmodel.runtimes.registry import RUNTIMES, build_timer
from latmodel.workload import DTYPES

__all__ = ["probe"]

_INTERRUPTED = 130


@click.command(epilog="Example: latmodel probe --model deit_small_patch16_224 --out here.yaml")
@click.option("--model", default="deit_small_patch16_224", show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), default="fp32", show_default=True)
@click.option("--device", default=None, help="cpu, cuda, or what else the runtime finds.")
@click.option(
    "--runtime",
    "runtimes",
    type=click.Choice(RUNTIMES),
    multiple=True,
    default=("torch-eager",),
    show_default=True,
    help="What runs it; may be repeated.",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.")
@click.option("--max-probes", type=click.IntRange(min=2), default=24, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=Effort().limit_s,
    show_default=True,
    help="For kept readings, at most; they end when known to 1 %.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Where; for several runtimes here-RUNTIME.yaml each.",
)
@click.option("--resume", is_flag=True, help="Go on where the same command was interrupted.")
def probe(
    model: str,
    batch: int,
    dtype: str,
    device: str | None,
    runtimes: tuple[str, ...],
    threads: int | None,
    max_probes: int,
    seconds: float,
    out: Path,
    resume: bool,
) -> None:
    """Time a model's parts on this machine and write a device profile."""
    places = targets(out, runtimes)
    for place in places.values():
        require_target(place)
    todo = unfinished(places, resume=resume)
    for runtime, place in places.items():
        if runtime not in todo:
            click.echo(f"{place}: finished before, and kept", err=True)
    talk = Console(stderr=True)
    timers: dict[str, PartTimer] = {}
    for runtime in todo:
        # All before anything is measured, so that what is not there is said at once.
        with talk.status(f"building {model} for {runtime}"):
            timers[runtime] = build_timer(
                runtime, model, batch=batch, dtype=dtype, device=device, threads=threads
            )
    for runtime, begun in todo.items():
        place, timer = places[runtime], timers.pop(runtime)  # its memory is free afterwards
        journal = journal_path(place)
        with _resumable(journal), bar(talk, place.name) as on_progress:
            profile = probe_profile(
                timer,
                name=place.stem,
                max_probes=max_probes,
                effort=Effort(limit_s=seconds),
                journal=journal,
                resume=begun,
                on_progress=on_progress,
            )
        write_profile(place, profile)
        remove_journal(journal)
        _tell(place, timer, profile)


@contextmanager
def _resumable(journal: Path) -> Iterator[None]:
    """Say how to go on after Ctrl-C, where there is something to go on with."""
    try:
        yield
    except KeyboardInterrupt:
        if not journal.exists():
            raise
        click.echo(
            f"latmodel: interrupted; the same command with --resume goes on from {journal}",
            err=True,
        )
        raise click.exceptions.Exit(_INTERRUPTED) from None


def _tell(place: Path, timer: PartTimer, profile: DeviceProfile) -> None:
    for warning in profile.warnings:
        click.echo(f"warning: {warning}", err=True)
    workload = timer.workload
    dense_ms = profile.table(workload).dense_ns / 1e6
    click.echo(
        f"{place}: {workload.model} at batch {workload.batch} on {profile.device}: "
        f"{dense_ms:.2f} ms unpruned; the sum of the parts is "
        f"{profile.errors[0].mean_percent:.1f} % from the whole"
    )
    for line in findings(profile.curves[0]):
        click.echo(line)
