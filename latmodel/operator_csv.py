"""Operator timings from a CSV file, and back: one reading a row, the header first."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from latmodel.csv_lines import LATENCY, NS_PER, numbered_cells, refused_cell
from latmodel.errors import FieldError
from latmodel.files import read_text, read_zipped_text
from latmodel.operator_kinds import DIMS
from latmodel.operator_readings import OperatorReadings
from latmodel.workload import DTYPES

__all__ = ["MOST_ROWS", "operator_csv", "parse_operator_csv", "read_operator_csv"]

MOST_BYTES = 64_000_000
MOST_ROWS = 200_000
MOST_LETTERS = 400
"""Limits that real files stay below and that keep a hostile one from filling the memory."""

_LONGEST_NS = 3_600 * 10**9
_MOST_SPLITS = 9999

_DIMENSIONS = tuple(dict.fromkeys(name for names in DIMS.values() for name in names))
_KNOWN = ("kind", "dtype", *_DIMENSIONS, *NS_PER, "kernel", "splits")

# A table with empty cells, as pandas writes it, turns its whole numbers into 64.0.
_SIZE = re.compile(r"[1-9][0-9]{0,8}(\.0*)?")
_SPLITS = re.compile(r"[0-9]{1,4}(\.0*)?")


class _Layout(NamedTuple):
    """Where the columns stand: by name, those of known names only."""

    places: dict[str, int]
    others: dict[str, list[tuple[str, int]]]  # the dimensions that a kind does not have
    unit: str
    width: int
    given: dict[str, str]  # kind and dtype of all rows, where the file has no column for it


@dataclass(slots=True)
class _Group:
    """The rows of one kind and number format."""

    sizes: list[list[float]] = field(default_factory=list)
    latency_ns: list[float] = field(default_factory=list)
    kernels: list[str] = field(default_factory=list)
    splits: list[int] = field(default_factory=list)

    def readings(self, kind: str, dtype: str) -> OperatorReadings:
        columns = np.array(self.sizes, dtype=np.float64).T
        return OperatorReadings(
            kind=kind,
            dtype=dtype,
            sizes=dict(zip(DIMS[kind], columns, strict=True)),
            latency_ns=np.array(self.latency_ns),
            kernels=np.array(self.kernels, dtype=np.str_),
            splits=np.array(self.splits, dtype=np.int64),
        )


def read_operator_csv(
    path: str | os.PathLike[str],
    *,
    kind: str | None = None,
    dtype: str | None = None,
    on_ignored: Callable[[tuple[str, ...]], None] | None = None,
) -> tuple[OperatorReadings, ...]:
    """Read operator timings from a CSV file, or from a gzipped one (.csv.gz).

    Args:
        path: the file; see `parse_operator_csv` for what it holds.
        kind: of all rows, where the file has no column `kind`.
        dtype: of all rows, where the file has no column `dtype`.
        on_ignored: is told the columns that were left out, if there are any.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: it is too large, not UTF-8, or a row is malformed; the message names
            file, line, column, what was found and what is allowed.
    """
    place = os.fspath(path)
    read = read_zipped_text if place.endswith(".gz") else read_text
    text = read(place, most_bytes=MOST_BYTES)
    try:
        return parse_operator_csv(text, kind=kind, dtype=dtype, on_ignored=on_ignored)
    except FieldError as error:
        raise FieldError(f"{place}: {error}") from None


def parse_operator_csv(
    text: str,
    *,
    kind: str | None = None,
    dtype: str | None = None,
    on_ignored: Callable[[tuple[str, ...]], None] | None = None,
) -> tuple[OperatorReadings, ...]:
    r"""Parse operator timings; arguments as in `read_operator_csv`.

    The columns, in any order: `kind`, a key of `DIMS`; `dtype`; the dimensions of the kind
    by their names in `DIMS`, empty where a kind does not have them; one of latency_ms,
    latency_us, latency_ns; and where known `kernel`, the name of the kernel that ran, and
    `splits`, the blocks that shared one tile's reduction. Rows of one shape are repeats.

    Returns:
        The readings of each kind and dtype, in the order in which each came first.

    Raises:
        FieldError: the message names line, column, what was found and what is allowed.

    >>> (norms,) = parse_operator_csv("rows,width,latency_us\n197,384,5.5\n", kind="norm",
    ...     dtype="fp32")
    >>> norms.sizes["width"], norms.latency_ns
    (array([384.]), array([5500.]))
    """
    lines = numbered_cells(text)
    layout, ignored = _layout(next(lines)[1], kind=kind, dtype=dtype)
    if ignored and on_ignored is not None:
        on_ignored(ignored)
    groups: dict[tuple[str, str], _Group] = {}
    names: dict[str, str] = {}  # equal kernel names are kept once
    row = 0
    for row, (number, cells) in enumerate(lines, start=1):
        if row > MOST_ROWS:
            raise FieldError(f"line {number}: allowed are at most {MOST_ROWS} rows")
        if len(cells) != layout.width:
            raise FieldError(
                f"line {number}: found {len(cells)} cells, allowed are {layout.width} as in "
                "the header; a decimal comma is not allowed"
            )
        _add(groups, names, number, layout, cells)
    if not row:
        raise FieldError("line 1: found no row below the header, allowed is 1 or more")
    return tuple(group.readings(*key) for key, group in groups.items())


def _layout(
    header: Sequence[str], *, kind: str | None, dtype: str | None
) -> tuple[_Layout, tuple[str, ...]]:
    """The layout of the columns, and the names of those that are left out."""
    places = {name: place for place, name in enumerate(header) if name in _KNOWN}
    for name in places:
        if header.count(name) > 1:
            raise FieldError(f"line 1, {name}: found {header.count(name)} such columns")
    units = [name for name in NS_PER if name in places]
    if len(units) != 1:
        allowed = f"one of {', '.join(NS_PER)}"
        raise refused_cell(1, "header", ",".join(header), allowed)
    given = {}
    for name, value in {"kind": kind, "dtype": dtype}.items():
        if name in places and value is not None:
            raise FieldError(
                f"line 1, {name}: found this column, and --{name} {value} beside it: leave out "
                "one of the two"
            )
        if name not in places and value is None:
            raise FieldError(
                f"line 1, {name}: no such column; give the {name} of all rows by --{name}"
            )
        if value is not None:
            given[name] = value
    others = {
        each: [(name, places[name]) for name in _DIMENSIONS if name in places.keys() - names]
        for each, names in DIMS.items()
    }
    ignored = tuple(name for name in header if name not in _KNOWN)
    return _Layout(places, others, units[0], len(header), given), ignored


def _add(
    groups: dict[tuple[str, str], _Group],
    names: dict[str, str],
    number: int,
    layout: _Layout,
    cells: Sequence[str],
) -> None:
    """Check one row and put it to its group."""
    places = layout.places
    kind = layout.given.get("kind") or cells[places["kind"]]
    dtype = layout.given.get("dtype") or cells[places["dtype"]]
    if kind not in DIMS:
        raise refused_cell(number, "kind", kind, f"one of {', '.join(DIMS)}")
    if dtype not in DTYPES:
        raise refused_cell(number, "dtype", dtype, f"one of {', '.join(DTYPES)}")
    group = groups.setdefault((kind, dtype), _Group())
    group.sizes.append(_sizes(number, layout, kind, cells))
    group.latency_ns.append(_latency_ns(number, layout.unit, cells[places[layout.unit]]))
    kernel = cells[places["kernel"]] if "kernel" in places else ""
    if len(kernel) > MOST_LETTERS:
        allowed = f"a name of at most {MOST_LETTERS} letters"
        raise refused_cell(number, "kernel", kernel, allowed)
    group.kernels.append(names.setdefault(kernel, kernel))
    group.splits.append(_splits(number, cells[places["splits"]]) if "splits" in places else 0)


def _sizes(number: int, layout: _Layout, kind: str, cells: Sequence[str]) -> list[float]:
    """The dimensions of one row, in the order of `DIMS`."""
    for name in DIMS[kind]:
        text = cells[layout.places[name]] if name in layout.places else ""
        if not _SIZE.fullmatch(text):
            allowed = f"a whole number from 1 to 999999999 for {kind}"
            raise refused_cell(number, name, text, allowed)
    for name, place in layout.others[kind]:
        if cells[place]:
            raise refused_cell(number, name, cells[place], f"nothing for {kind}")
    return [float(cells[layout.places[name]]) for name in DIMS[kind]]


def _latency_ns(number: int, unit: str, text: str) -> float:
    latency_ns = float(text) * NS_PER[unit] if LATENCY.fullmatch(text) else 0.0
    if not 1 <= latency_ns <= _LONGEST_NS:
        most = _LONGEST_NS // NS_PER[unit]
        allowed = f"a number of {unit[-2:]} of at least 1 ns and at most {most}"
        raise refused_cell(number, unit, text, allowed)
    return latency_ns


def _splits(number: int, text: str) -> int:
    if not text:
        return 0
    if not _SPLITS.fullmatch(text):
        allowed = f"nothing, or a whole number from 0 (unknown) to {_MOST_SPLITS}"
        raise refused_cell(number, "splits", text, allowed)
    return int(float(text))


def operator_csv(readings: Iterable[OperatorReadings]) -> str:
    """Readings as the text of a CSV file, in ns; the inverse of `parse_operator_csv`."""
    columns = ("kind", "dtype", *_DIMENSIONS, "latency_ns", "kernel", "splits")
    lines = [",".join(columns)]
    for part in readings:
        for index, latency_ns in enumerate(part.latency_ns.tolist()):
            sizes = (
                f"{part.sizes[name][index]:.0f}" if name in part.sizes else ""
                for name in _DIMENSIONS
            )
            kernel = str(part.kernels[index]).replace('"', '""')
            words = (part.kind, part.dtype, *sizes, repr(latency_ns))
            lines.append(",".join((*words, f'"{kernel}"', str(part.splits[index]))))
    return "\n".join(lines) + "\n"
