"""`latmodel profiles`: which devices ship, and how well each is known."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from latmodel.catalogue import read_profile, shipped_profiles

if TYPE_CHECKING:
    from latmodel.profile import DeviceProfile

__all__ = ["profiles"]

_WIDTH = 96
_HEADING = ("name", "confidence", "dtypes", "error", "device")


@click.command(epilog="Example: latmodel profiles jetson")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--long", "in_full", is_flag=True, help="All that is known of each.")
def profiles(names: tuple[str, ...], in_full: bool) -> None:
    """List the shipped device profiles, and how well each is known.

    The error is the mean on readings that the fit never saw, from the best to the worst kind
    of reading. A NAME, or a profile's file, is told in full: sources, licences, what was
    measured and what was derived, every error and warning.
    """
    found = [read_profile(name) for name in names or shipped_profiles()]
    if not names and not in_full:
        for line in _columns([_HEADING, *(_cells(profile) for profile in found)]):
            click.echo(line)
        return
    for number, profile in enumerate(found):
        if number:
            click.echo()
        for line in _told(profile):
            click.echo(line)


def _cells(profile: DeviceProfile) -> tuple[str, ...]:
    return (
        profile.name,
        profile.confidence,
        ",".join(profile.dtypes),
        _error(profile),
        profile.device,
    )


def _error(profile: DeviceProfile) -> str:
    percents = sorted(figure.mean_percent for figure in profile.errors)
    if not percents:
        return "unknown"
    least, most = f"{percents[0]:.1f}", f"{percents[-1]:.1f}"
    return f"{most} %" if least == most else f"{least}-{most} %"


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows with their cells below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _told(profile: DeviceProfile) -> Iterator[str]:
    """Everything but the numbers."""
    yield f"{profile.name}: {profile.device}"
    yield from _entry("confidence", profile.confidence)
    yield from _entry("dtypes", ", ".join(profile.dtypes) or "none for a whole model")
    if profile.curves:
        measured = (f"{c.workload.model} at batch {c.workload.batch}" for c in profile.curves)
        yield from _entry("curves", ", ".join(measured))
    if profile.operators is not None:
        yield from _entry("operators", f"run in mode {profile.operators.mode}")
    for source in profile.provenance:
        licence = f" ({source.licence})" if source.licence else ""
        yield from _entry("source", source.source + licence)
        yield from _entry("measured", source.measured)
        if source.derived:
            yield from _entry("derived", source.derived)
    for figure in profile.errors:
        yield from _entry(
            "error", f"{figure.mean_percent:.1f} % on {figure.what} ({figure.rows} rows)"
        )
    for warning in profile.warnings:
        yield from _entry("warning", warning)


def _entry(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"  {name:<11} ", subsequent_indent=" " * 14
    )
