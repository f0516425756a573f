"""Points of a frontier: many schedules with their integers."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.problem import Int64

__all__ = ["Points"]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Schedules by rising latency and value.

    Attributes:
        latency_ns: shape (N,), of the whole model.
        value: shape (N,).
        tokens: shape (N, depth).
    """

    latency_ns: Int64
    value: Int64
    tokens: Int64
