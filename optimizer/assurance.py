"""With what probability a plan keeps its budget, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass

from latmodel.fields import Fields
from optimizer.errors import ScheduleError

__all__ = ["Assurance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assurance:
    """What a plan promises beyond its expected latency.

    Attributes:
        confidence: the probability, under the profile's error model, from 0.5, below 1.
        upper_ns: what the schedule stays below with that probability.
        tightest_ns: the least budget that some schedule is known to keep so.
        lost: of the tokens that a plan keeps whose latency is only expected to be within
            the budget, the share that this one drops more; 0 where the budget is not kept.

    Raises:
        ScheduleError: a figure is out of range.
    """

    confidence: float
    upper_ns: int
    tightest_ns: int
    lost: float

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:  # nor NaN
            raise ScheduleError(
                f"confidence is {self.confidence}: must be 0.5 or more and below 1"
            )
        if min(self.upper_ns, self.tightest_ns) < 1:
            raise ScheduleError("upper and tightest latency must be positive")
        if not 0 <= self.lost <= 1:
            raise ScheduleError(f"lost is {self.lost}: must be from 0 to 1")

    def to_dict(self) -> dict[str, object]:
        """As plain values; latencies in ms."""
        return {
            "confidence": self.confidence,
            "upper_ms": self.upper_ns / 1e6,
            "tightest_ms": self.tightest_ns / 1e6,
            "lost_fraction": round(self.lost, 6),
        }

    @classmethod
    def from_fields(cls, source: Fields) -> Assurance | None:
        """Read from a plan; the inverse of `to_dict`. None where it has no confidence.

        Raises:
            FieldError: a field is missing or of the wrong type.
            ScheduleError: a figure is out of range.
        """
        if not source.has("confidence"):
            return None
        return cls(
            confidence=source.number("confidence", minimum=0),
            upper_ns=round(source.number("upper_ms", minimum=0) * 1e6),
            tightest_ns=round(source.number("tightest_ms", minimum=0) * 1e6),
            lost=source.number("lost_fraction", minimum=0),
        )
