"""Timings that another tool took: which part, how many tokens, how long; one CSV row each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from latmodel.csv_lines import LATENCY, NS_PER, numbered_cells, refused_cell
from latmodel.errors import FieldError
from latmodel.files import read_text
from latmodel.measurement import Measurement

__all__ = ["MOST_ROWS", "PARTS", "Reading", "Readings", "parse_readings", "read_readings"]

PARTS = ("block", "mlp", "cut", "ends", "model")
"""What is timed: ONE block; the MLP half of one block (norm, MLP, residual); one cut from
the full count to the row's count; embedding, last norm and head together; and, to check the
others by, the whole unpruned model. The last two exist at the full count only."""

MOST_ROWS = 20_000
"""With the largest latencies, a profile of so many samples can still be read back."""

_LONGEST_NS = 3_600 * 10**9
"""An hour; a thousand blocks of it still fit the largest integer that a profile may hold."""

_COUNT = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Reading:
    """One row.

    Attributes:
        part: one of `PARTS`.
        count: tokens, prefix included.
        latency_ns: of one call, in whole nanoseconds; None where it is still to be measured.
    """

    part: str
    count: int
    latency_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """All rows of a results file; several of one part and count are repeats.

    Attributes:
        rows: in the file's order.

    >>> readings = Readings((Reading("block", 1, 500_000), Reading("block", 64)))
    >>> readings.measurements("block")
    (Measurement(count=1, samples_ns=(500000,), speeds=()),)
    >>> readings.pending
    (('block', 64),)
    """

    rows: tuple[Reading, ...]

    def measurements(self, part: str) -> tuple[Measurement, ...]:
        """What was measured of one part, ascending in count, repeats as samples."""
        samples: dict[int, list[int]] = {}
        for row in self.rows:
            if row.part == part and row.latency_ns is not None:
                samples.setdefault(row.count, []).append(row.latency_ns)
        return tuple(Measurement(count, tuple(samples[count])) for count in sorted(samples))

    @property
    def pending(self) -> tuple[tuple[str, int], ...]:
        """Part and count of the rows without latency that no other row measures."""
        done = {(row.part, row.count) for row in self.rows if row.latency_ns is not None}
        wanted = dict.fromkeys((row.part, row.count) for row in self.rows)
        return tuple(row for row in wanted if row not in done)

    def asking(self, rows: Iterable[tuple[str, int]]) -> Readings:
        """What was measured, and after it an empty row for each part and count of `rows`."""
        measured = (row for row in self.rows if row.latency_ns is not None)
        return Readings((*measured, *(Reading(part, count) for part, count in rows)))

    def to_csv(self) -> str:
        """As text, in ms to the nanosecond; the inverse of `parse_readings`."""
        rows = (f"{r.part},{r.count},{_milliseconds(r.latency_ns)}\n" for r in self.rows)
        return "".join(("part,tokens,latency_ms\n", *rows))


def read_readings(path: str | os.PathLike[str], *, full: int) -> Readings:
    """Read a results file.

    Args:
        path: a CSV file with a header, see `parse_readings`.
        full: the model's full token count.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: it is too large or not UTF-8, or a row is malformed; the message names
            file, line, column, what was found and what is allowed.
    """
    text = read_text(path)
    try:
        return parse_readings(text, full=full)
    except FieldError as error:
        raise FieldError(f"{os.fspath(path)}: {error}") from None


def parse_readings(text: str, *, full: int) -> Readings:
    """Parse `part,tokens,latency_ms`, one reading a line, the header first.

    The columns may stand in any order, and the last may be `latency_us` or `latency_ns`.
    A row whose latency is empty is still to be measured. Empty lines are skipped.

    Args:
        text: the file's.
        full: the model's full token count.

    Raises:
        FieldError: the message names line, column, what was found and what is allowed.
    """
    lines = numbered_cells(text)
    columns = _columns(next(lines)[1])
    rows: list[Reading] = []
    for number, cells in lines:
        if len(rows) == MOST_ROWS:
            raise FieldError(f"line {number}: allowed are at most {MOST_ROWS} rows")
        rows.append(_reading(number, columns, cells, full))
    return Readings(tuple(rows))


def _milliseconds(latency_ns: int | None) -> str:
    return "" if latency_ns is None else f"{latency_ns // 10**6}.{latency_ns % 10**6:06d}"


def _columns(header: list[str]) -> tuple[str, ...]:
    allowed = "part,tokens and one of latency_ms, latency_us, latency_ns"
    units = [name for name in header if name in NS_PER]
    if sorted(header) != sorted(["part", "tokens", *units[:1]]) or not units:
        raise refused_cell(1, "header", ",".join(header), allowed)
    return tuple(header)


def _reading(number: int, columns: Sequence[str], cells: list[str], full: int) -> Reading:
    if tuple(cells) == columns:
        raise FieldError(f"line {number}: the header again; allowed is one, on line 1")
    if len(cells) != len(columns):
        raise FieldError(
            f"line {number}: found {len(cells)} cells, allowed are {len(columns)}: "
            f"{','.join(columns)}; a decimal comma is not allowed"
        )
    row = dict(zip(columns, cells, strict=True))
    part = row["part"]
    if part not in PARTS:
        raise refused_cell(number, "part", part, f"one of {', '.join(PARTS)}")
    count = _count(number, part, row["tokens"], full)
    unit = next(name for name in columns if name in NS_PER)
    return Reading(part, count, _latency_ns(number, unit, row[unit]))


def _count(number: int, part: str, text: str, full: int) -> int:
    whole = part in ("ends", "model")
    allowed = f"the full count {full}" if whole else f"a whole number from 1 to {full}"
    if not _COUNT.fullmatch(text) or int(text) > full or (whole and int(text) != full):
        raise refused_cell(
            number, "tokens", text, f"{allowed} for {part}" if whole else allowed
        )
    return int(text)


def _latency_ns(number: int, unit: str, text: str) -> int | None:
    if not text:
        return None
    longest = _LONGEST_NS // NS_PER[unit]
    allowed = f"nothing, or a number of {unit[-2:]} of at least 1 ns and at most {longest}"
    if not LATENCY.fullmatch(text) or float(text) > longest:
        raise refused_cell(number, unit, text, allowed)
    latency_ns = round(Decimal(text) * NS_PER[unit])
    if latency_ns < 1:
        raise refused_cell(number, unit, text, allowed)
    return latency_ns
