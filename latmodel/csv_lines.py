"""CSV files of latencies, line by line: what every reader of one shares."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from latmodel.errors import FieldError

__all__ = ["LATENCY", "NS_PER", "numbered_cells", "refused_cell"]

NS_PER = {"latency_ms": 10**6, "latency_us": 10**3, "latency_ns": 1}
"""The columns that may hold a latency, and what one of their unit is in ns."""

LATENCY = re.compile(r"[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?|\.[0-9]+")
"""How a latency may be written: neither nan nor 1_000, which Python would read."""


def numbered_cells(text: str) -> Iterator[tuple[int, list[str]]]:
    r"""The header and every line below it that holds anything.

    Args:
        text: the file's.

    Yields:
        The line's number and its cells without the spaces around them; the header first,
        even if it is empty.

    Raises:
        FieldError: a line is no CSV.

    >>> list(numbered_cells('tokens, latency_ms\r\n\r\n"1",0.5\r\n'))
    [(1, ['tokens', 'latency_ms']), (3, ['1', '0.5'])]
    """
    # A spreadsheet marks UTF-8 by U+FEFF at the start, which is no part of the header.
    lines = text.removeprefix("\ufeff").splitlines() or [""]
    for number, line in enumerate(lines, start=1):
        # Line by line, so that a stray quote is an error where it stands, not at the end.
        try:
            cells = [cell.strip() for cell in next(csv.reader([line], strict=True), [])]
        except csv.Error as error:
            raise FieldError(f"line {number}: not valid CSV: {error}") from None
        if number == 1 or any(cells):
            yield number, cells


def refused_cell(number: int, column: str, found: str, allowed: str) -> FieldError:
    """The error for one cell, a long one cut short; the caller raises it."""
    shown = repr(found) if len(found) <= 40 else repr(found[:37] + "...")
    return FieldError(f"line {number}, {column}: found {shown}, allowed is {allowed}")
