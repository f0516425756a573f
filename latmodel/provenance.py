"""Where a profile's numbers come from, and how far they were from what was not fitted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latmodel.fields import Fields

__all__ = ["WHOLE_MODEL", "ErrorFigure", "Provenance", "shared_error"]

WHOLE_MODEL = "the unpruned model, timed as a whole"
"""What a measured profile's parts are compared with: the readings of `ErrorFigure.what`."""

_SHARED = 0.03
"""One standard deviation of what a device does to all counts alike between two days.

Source: `benchmarks/budgets.py`, as README.md has it: plans from profiles that were probed and
verified anew, on a shared machine of two cores, were 0.5 to 5.6 % off, in root mean square
about 3 %."""

_UNCHECKED = 0.056
"""The same where the whole model was never timed: the largest of those errors."""

_SIGMA_PER_MEAN = math.sqrt(math.pi / 2)
"""A normal error's standard deviation, in mean absolute errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a profile's numbers come from.

    Attributes:
        source: who measured, with a public address or commit where there is one.
        licence: the source's licence; "" where the profile is the user's own.
        measured: what was timed on the device.
        derived: what was computed, scaled or taken from a specification; "" if nothing.
    """

    source: str
    measured: str
    derived: str = ""
    licence: str = ""

    def to_dict(self) -> dict[str, object]:
        """As plain values; what is empty is left out."""
        words = {
            "source": self.source,
            "licence": self.licence,
            "measured": self.measured,
            "derived": self.derived,
        }
        return {name: text for name, text in words.items() if text}

    @classmethod
    def from_fields(cls, source: Fields) -> Provenance:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown or no text.
        """
        provenance = cls(
            source=source.text("source"),
            measured=source.text("measured"),
            derived=source.text("derived") if source.has("derived") else "",
            licence=source.text("licence") if source.has("licence") else "",
        )
        source.finish()
        return provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFigure:
    """How far a profile was from readings that its fit never saw.

    Attributes:
        what: the readings compared with.
        mean_percent: mean absolute error, in percent of the reading.
        rows: readings compared.
    """

    what: str
    mean_percent: float
    rows: int

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {"what": self.what, "mean_percent": self.mean_percent, "rows": self.rows}

    @classmethod
    def from_fields(cls, source: Fields) -> ErrorFigure:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown or out of range.
        """
        figure = cls(
            what=source.text("what"),
            mean_percent=source.number("mean_percent", minimum=0),
            rows=source.integer("rows", minimum=1),
        )
        source.finish()
        return figure


def shared_error(figures: Iterable[ErrorFigure]) -> float:
    """One standard deviation of what all counts of a measured curve share, as a fraction.

    Blocks are timed in sequence and ends by themselves; what their sum is off from the whole
    model says how far the parts can be trusted together, and it is the same at every count.
    It is no less than what a machine does from one day to the next.

    Args:
        figures: a profile's errors; those of the whole model count.

    >>> shared_error([ErrorFigure(what=WHOLE_MODEL, mean_percent=8.0, rows=1)])
    0.1003
    """
    whole = [each.mean_percent for each in figures if each.what == WHOLE_MODEL]
    if not whole:
        return _UNCHECKED
    return round(max(_SHARED, _SIGMA_PER_MEAN * max(whole) / 100), 4)
