"""Readings at many counts, from a file: what a curve of few probes is compared with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from latmodel.csv_lines import NS_PER, numbered_cells
from latmodel.errors import FieldError, MeasurementError
from latmodel.files import read_text

__all__ = ["DenseSamples", "read_dense"]

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
    text = read_text(path)
    try:
        rows = list(_rows(text))
    except FieldError as error:
        raise FieldError(f"{path}: {error}") from None
    if not rows:
        raise FieldError(f"{path}: found no sample below the first line, allowed is 1 or more")
    counts, latencies = zip(*rows, strict=True)
    return DenseSamples(Path(path).name, counts, latencies)


def _rows(text: str) -> Iterator[tuple[int, float]]:
    """Count and latency in ns of each line."""
    lines = numbered_cells(text)
    columns = _columns(next(lines)[1])
    (latency,) = set(columns) & NS_PER.keys()
    for number, cells in lines:
        if len(cells) != 2:
            raise FieldError(f"line {number}: found {len(cells)} values, allowed are 2")
        fields = dict(zip(columns, cells, strict=True))
        yield _count(number, fields["tokens"]), _latency_ns(number, latency, fields[latency])


def _columns(names: list[str]) -> list[str]:
    if len(names) != 2 or "tokens" not in names or not set(names) & NS_PER.keys():
        found = ", ".join(names)[:80] or "none"
        raise FieldError(
            f"line 1: found the columns {found}; allowed are tokens and one of "
            f"{', '.join(NS_PER)}"
        )
    return names


def _count(number: int, text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise _refuse(number, "tokens", text, "a whole number from 1 to 999999")
    return int(text)


def _latency_ns(number: int, column: str, text: str) -> float:
    latency_ns = float(text) * NS_PER[column] if _NUMBER.fullmatch(text) else 0.0
    if not 1 <= latency_ns <= _LARGEST_NS:
        allowed = f"a number that is 1 ns or more and at most {_LARGEST_NS} ns"
        raise _refuse(number, column, text, allowed)
    return latency_ns


def _refuse(number: int, column: str, text: str, allowed: str) -> FieldError:
    return FieldError(
        f"line {number}, column {column}: found {text[:40]!r}, allowed is {allowed}"
    )
