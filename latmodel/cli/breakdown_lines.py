"""A breakdown as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from latmodel.breakdown import Breakdown, BreakdownRow

__all__ = ["breakdown_lines"]

_WIDTHS = (17, 5, 10, 10, 11, 7, 7)

_OUTSIDE = "* outside the readings, where latency is extrapolated and its error grows:"


def breakdown_lines(found: Breakdown) -> Iterator[str]:
    """A heading, a line for each role, their sum, and what lies outside the readings.

    Args:
        found: at one token count.

    Yields:
        Lines of at most 80 letters.
    """
    heading = ("launch ms", "busy ms", "latency ms", "share", "+-")
    yield _line((f"operator ({found.mode})", "count", *heading))
    for row in found.rows:
        yield _row(row)
    times = (_ms(ns) for ns in (found.launch_ns, found.busy_ns, found.latency_ns))
    error = f"{found.relative_error:.1%}"
    yield _line(("total", str(found.count), *times, "100.0%", error))
    if found.outside:
        yield _OUTSIDE
    for each in found.outside:
        yield f"  {each}"


def _row(row: BreakdownRow) -> str:
    times = (_ms(ns) for ns in (row.launch_ns, row.busy_ns, row.latency_ns))
    error = f"{row.relative_error:.1%}"
    line = _line((row.role, str(row.count), *times, f"{row.share:.1%}", error))
    return f"{line} *" if row.outside else line


def _line(cells: Sequence[str]) -> str:
    first, *others = cells
    return " ".join([first.ljust(_WIDTHS[0]), *map(str.rjust, others, _WIDTHS[1:])])


def _ms(latency_ns: float) -> str:
    return f"{latency_ns / 1e6:.3f}"
