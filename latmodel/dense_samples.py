"""Readings at many counts, from a file: what a curve of few probes is compared with."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from latmodel.errors import FieldError, MeasurementError
from latmodel.files import read_text

__all__ = ["DenseSamples", "read_dense"]

_NS = {"latency_ms": 1e6, "latency_us": 1e3, "latency_ns": 1.0}
"""The columns that may hold the latency, and what one of their unit is in ns."""

_COUNT = re.compile(r"0*[1-9][0-9]{0,5}")
_NUMBER = re.compile(r"([0-9]+\.?|[0-9]*\.[0-9]+)([eE][-+]?[0-9]{1,2})?")
_LARGEST_NS = 2**53


@dataclass(frozen=True, slots=True)
class DenseSamples:
    """Latencies read at many counts; a count may be there more than once.

    Attributes:
        name: the file's name, or any label.
        counts: shape (S,), tokens, prefix included.
        latency_ns: shape (S,), of the same parts as the curve they are compared with.

    Raises:
        MeasurementError: there is no sample, or not one latency per count.

    >>> DenseSamples("by hand", (1, 2, 2), (100.0, 205.0, 204.0)).counts
    (1, 2, 2)
    """

    name: str
    counts: tuple[int, ...]
    latency_ns: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.counts or len(self.counts) != len(self.latency_ns):
            raise MeasurementError(
                f"{self.name}: {len(self.counts)} counts and {len(self.latency_ns)} latencies; "
                "there must be as many of both, one at least"
            )


def read_dense(path: str | Path) -> DenseSamples:
    """Read samples from CSV: a column `tokens`, another latency_ms, latency_us or latency_ns.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: it is too large, not UTF-8, or not such a CSV; the message names the
            line and the column.
    """
    # Spreadsheets put a mark before the first letter.
    text = read_text(path).removeprefix("\ufeff")
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = list(_rows(lines))
    except csv.Error as error:
        raise FieldError(f"{path}: line {lines.line_num}: not valid CSV: {error}") from None
    except FieldError as error:
        raise FieldError(f"{path}: line {max(lines.line_num, 1)}{error}") from None
    if not rows:
        raise FieldError(f"{path}: found no sample below the first line, allowed is 1 or more")
    counts, latencies = zip(*rows, strict=True)
    return DenseSamples(Path(path).name, counts, latencies)


def _rows(lines: Iterable[list[str]]) -> Iterator[tuple[int, float]]:
    """Count and latency in ns of each line; messages go on where the line's number ends."""
    columns: Sequence[str] | None = None
    for line in lines:
        values = [text.strip() for text in line]
        if columns is None:
            columns = _columns(values)
        elif len(values) == 2:
            fields = dict(zip(columns, values, strict=True))
            (latency,) = fields.keys() & _NS.keys()
            yield _count(fields["tokens"]), _latency_ns(latency, fields[latency])
        elif values:
            raise FieldError(f": found {len(values)} values, allowed are 2")
    if columns is None:
        raise FieldError(_columns_refused(()))


def _columns(names: Sequence[str]) -> Sequence[str]:
    if len(names) != 2 or "tokens" not in names or not set(names) & _NS.keys():
        raise FieldError(_columns_refused(names))
    return names


def _columns_refused(names: Sequence[str]) -> str:
    found = ", ".join(names)[:80] or "none"
    return f": found the columns {found}; allowed are tokens and one of {', '.join(_NS)}"


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        allowed = "a whole number from 1 to 999999"
        raise FieldError(f", column tokens: found {text[:40]!r}, allowed is {allowed}")
    return int(text)


def _latency_ns(column: str, text: str) -> float:
    latency_ns = float(text) * _NS[column] if _NUMBER.fullmatch(text) else 0.0
    if not 1 <= latency_ns <= _LARGEST_NS:
        raise FieldError(
            f", column {column}: found {text[:40]!r}, allowed is a number that is 1 ns or more "
            f"and at most {_LARGEST_NS} ns"
        )
    return latency_ns
