"""Where a profile's numbers come from, and how far they were from what was not fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latmodel.fields import Fields

__all__ = ["ErrorFigure", "Provenance"]


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
