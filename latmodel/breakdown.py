"""Where a model's latency goes, operator by operator: the values."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Breakdown", "BreakdownRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakdownRow:
    """All operators of one role in one model.

    Attributes:
        role: one of `latmodel.block_operators.ROLES`.
        kinds: of operator.
        count: operators.
        launch_ns: what the host takes to dispatch them.
        busy_ns: how long they keep the device, its gaps included.
        latency_ns: their part of the model's latency in the mode asked for.
        share: that part, as a fraction.
        relative_error: one standard deviation of it, as a fraction of it.
        outside: each dimension asked outside the readings, in words.
    """

    role: str
    kinds: tuple[str, ...]
    count: int
    launch_ns: float
    busy_ns: float
    latency_ns: int
    share: float
    relative_error: float
    outside: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """As plain values, latencies in ms."""
        return {
            "role": self.role,
            "kinds": list(self.kinds),
            "count": self.count,
            "launch_ms": self.launch_ns / 1e6,
            "busy_ms": self.busy_ns / 1e6,
            "latency_ms": self.latency_ns / 1e6,
            "share": self.share,
            "relative_error": self.relative_error,
            "outside": list(self.outside),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """A model's latency by operator, when it is cut to one count in its first block.

    Attributes:
        tokens: that count; the full count is no cut.
        mode: one of `latmodel.stretches.MODES`.
        rows: in the order of a forward pass; their latencies add up to `latency_ns`.
        latency_ns: the latency table's.
        relative_error: likewise.
        origin: what the numbers were made from, in words.
        warnings: what must be known before trusting them, at any count.
        outside: what the rows ask outside the readings, once for each kind and dimension.
    """

    tokens: int
    mode: str
    rows: tuple[BreakdownRow, ...]
    latency_ns: int
    relative_error: float
    origin: str
    warnings: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()

    @property
    def launch_ns(self) -> float:
        """What the host takes to dispatch every operator."""
        return sum(row.launch_ns for row in self.rows)

    @property
    def busy_ns(self) -> float:
        """How long all operators keep the device."""
        return sum(row.busy_ns for row in self.rows)

    @property
    def count(self) -> int:
        """Operators."""
        return sum(row.count for row in self.rows)
