"""What a plan claims of fidelity: the divergence predicted, and that measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.errors import DamageError

if TYPE_CHECKING:
    from latmodel.fields import Fields

__all__ = ["DIVERGENCES", "Claim"]

DIVERGENCES = ("kl", "cosine")
"""How an answer is compared with the uncut model's: the Kullback-Leibler divergence of the
classes, in nats; or, without a classifier, one less the cosine of the pooled features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """How far a schedule's answers are from the uncut model's, on average over images.

    Attributes:
        divergence: one of `DIVERGENCES`.
        images: over how many the damage table was measured.
        predicted: from that table, as if cuts added up.
        measured: of the whole schedule, over the same images; None where it was not run.
        error: the standard error of what was measured.
        agreement: the share of the images whose first class stays, where there are classes.

    Raises:
        DamageError: an unknown divergence, a negative number, or an error without what it is
            of.
    """

    divergence: str
    images: int
    predicted: float
    measured: float | None = None
    error: float | None = None
    agreement: float | None = None

    def __post_init__(self) -> None:
        if self.divergence not in DIVERGENCES:
            raise DamageError(
                f"divergence is {self.divergence!r}: must be one of {', '.join(DIVERGENCES)}"
            )
        if (self.measured is None) != (self.error is None):
            raise DamageError("measured and error go together: give both or none")
        if self.measured is None and self.agreement is not None:
            raise DamageError("agreement is of what was measured: give both or none")

    def to_dict(self) -> dict[str, object]:
        """As plain values; of what was not measured nothing is said."""
        measured = {
            "measured": self.measured,
            "measured_error": self.error,
            "agreement": self.agreement,
        }
        return {
            "divergence": self.divergence,
            "images": self.images,
            "predicted": self.predicted,
            **{name: value for name, value in measured.items() if value is not None},
        }

    @classmethod
    def from_fields(cls, source: Fields) -> Claim:
        """Read a claim; the inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
        """

        def number(name: str) -> float | None:
            return source.number(name, minimum=0) if source.has(name) else None

        claim = cls(
            divergence=source.choice("divergence", DIVERGENCES),
            images=source.integer("images", minimum=1),
            predicted=source.number("predicted"),
            measured=number("measured"),
            error=number("measured_error"),
            agreement=number("agreement"),
        )
        source.finish()
        return claim
