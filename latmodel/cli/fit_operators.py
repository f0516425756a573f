"""`latmodel fit-operators`: a device profile of timings of single operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from latmodel.card import HARNESSES, Card
from latmodel.catalogue import write_profile
from latmodel.cli.held_out_lines import held_out_lines
from latmodel.files import require_target
from latmodel.operator_csv import read_operator_csv
from latmodel.operator_kinds import DIMS
from latmodel.operator_readings import joined
from latmodel.workload import DTYPES

if TYPE_CHECKING:
    from latmodel.operator_readings import OperatorReadings

__all__ = ["fit_operators_"]

_US = click.FloatRange(min=0)


def _peaks(
    _ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]
) -> dict[str, float]:
    """`fp32=8141` and the like, as a mapping."""
    peaks = {}
    for word in words:
        dtype, _, number = word.partition("=")
        try:
            peaks[dtype] = float(number)
        except ValueError:
            dtype = ""
        if dtype not in DTYPES:
            raise click.BadParameter(
                f"found {word!r}, allowed is DTYPE=GFLOPS such as fp32=8141, DTYPE one of "
                f"{', '.join(DTYPES)}"
            )
    return peaks


@click.command(
    "fit-operators",
    epilog="Example: latmodel fit-operators t4.csv --device-name T4 --sms 40 --bandwidth 320 "
    "--out t4.yaml",
)
@click.argument("timings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--device-name", required=True, help="With its power mode or clocks.")
@click.option(
    "--sms", type=click.IntRange(min=1), required=True, help="Multiprocessors or cores."
)
@click.option("--bandwidth", type=float, required=True, help="Of the data sheet, in GB/s.")
@click.option("--peak", multiple=True, callback=_peaks, help="DTYPE=GFLOPS, of the data sheet.")
@click.option("--kind", type=click.Choice(tuple(DIMS)), help="Of files without such a column.")
@click.option("--dtype", type=click.Choice(DTYPES), help="Likewise.")
@click.option(
    "--mode", type=click.Choice(HARNESSES), default="eager", help="How they were timed."
)
@click.option("--gap", type=_US, help="The device's part of a launch, in us.")
@click.option("--dispatch", type=_US, help="The host's time per operator in eager mode, in us.")
@click.option("--source", default="", help="Who timed them; by default the files' names.")
@click.option("--licence", default="", help="Of the source.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write.")
def fit_operators_(
    timings: tuple[Path, ...],
    device_name: str,
    sms: int,
    bandwidth: float,
    peak: dict[str, float],
    kind: str | None,
    dtype: str | None,
    mode: str,
    gap: float | None,
    dispatch: float | None,
    source: str,
    licence: str,
    out: Path,
) -> None:
    """Make a device profile of timings of single operators, in CSV files.

    Columns: kind, dtype, the kind's dimensions, latency_us (_ms, _ns), and if known kernel and
    splits; docs/operators.md lists them. --mode graph: kernels were timed without a host.
    """
    require_target(out)
    card = Card(sms=sms, bandwidth_gb_s=bandwidth, peak_gflops=peak)
    readings = _read(timings, kind, dtype)
    # Slow to import, and no other command needs them.
    from latmodel import profile_fitting  # noqa: PLC0415

    with _bar(2 * len(readings)) as on_part:
        fitted = profile_fitting.fit_operators(
            readings,
            card,
            harness=mode,
            gap_ns=None if gap is None else gap * 1e3,
            dispatch_ns=None if dispatch is None else dispatch * 1e3,
            on_part=on_part,
        )
        fitted = profile_fitting.with_rivals(fitted, readings, card, on_part=on_part)
    names = ", ".join(place.name for place in timings)
    profile = profile_fitting.operator_profile(
        fitted,
        name=out.stem,
        device=device_name,
        provenance=(
            profile_fitting.provenance_of(
                fitted, source=source or f"latmodel fit-operators of {names}", licence=licence
            ),
        ),
    )
    write_profile(out, profile)
    for warning in profile.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo("\n".join(held_out_lines(fitted.held_out)))
    count = sum(map(len, readings))
    click.echo(f"{out}: {count} timings of {device_name}; confidence {profile.confidence}")


def _read(
    timings: Sequence[Path], kind: str | None, dtype: str | None
) -> tuple[OperatorReadings, ...]:
    """All files' readings; columns that are left out are named on stderr."""
    parts: list[OperatorReadings] = []
    for place in timings:

        def tell(names: tuple[str, ...], place: Path = place) -> None:
            click.echo(f"{place}: columns ignored: {', '.join(map(repr, names))}", err=True)

        parts += read_operator_csv(place, kind=kind, dtype=dtype, on_ignored=tell)
    return joined(parts)


@contextmanager
def _bar(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr that moves on with each thing to do; it is told each as it begins."""
    talk = Console(stderr=True)
    with Progress(console=talk, transient=True, disable=not talk.is_terminal) as progress:
        task = progress.add_task("", total=steps)
        begun = 0

        def on_part(what: str) -> None:
            nonlocal begun
            progress.update(task, description=what, completed=begun)
            begun += 1

        yield on_part
