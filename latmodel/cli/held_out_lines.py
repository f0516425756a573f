"""Errors on shapes held out, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latmodel.fitted_operators import PartErrors

__all__ = ["held_out_lines"]


def held_out_lines(entries: Sequence[PartErrors]) -> Iterator[str]:
    """A table of errors on shapes held out, beside simpler predictors, in percent."""
    yield f"{'error on shapes held out':36}{'mean':>7}{'median':>8}{'within 10 %':>13}"
    for entry in entries:
        name = f"{entry.kind} {entry.dtype} ({entry.rows} rows)"
        rows = [(name, entry.errors), *((f"    {n}", errors) for n, errors in entry.rivals)]
        for label, (mean, median, within_10) in rows:
            yield f"{label:36}{mean:5.1f} %{median:6.1f} %{within_10:11.0f} %"
