"""What latency buys: every schedule that no other beats, and what published shapes reach."""

from __future__ import annotations

import csv
import io
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from optimizer.errors import ScheduleError
from optimizer.schedule import Schedule

__all__ = ["Rival", "Tradeoff", "TradeoffPoint"]

COLUMNS = ("latency_ms", "kept_fraction", "value", "tokens")
"""Of the CSV; tokens are one count per block, with spaces between."""


@dataclass(frozen=True, slots=True)
class TradeoffPoint:
    """One schedule and what it costs.

    Attributes:
        latency_ns: predicted, of the whole model.
        value: what was maximised.
        schedule: token counts per block.
    """

    latency_ns: int
    value: int
    schedule: Schedule

    @property
    def latency_ms(self) -> float:
        """`latency_ns` in milliseconds."""
        return self.latency_ns / 1e6

    def to_dict(self) -> dict[str, object]:
        """As plain values; the latency in ms."""
        return {
            "latency_ms": self.latency_ms,
            "kept_fraction": round(self.schedule.kept_fraction, 6),
            "value": self.value,
            "tokens": list(self.schedule.tokens),
        }


@dataclass(frozen=True, slots=True)
class Rival:
    """What a published shape of schedule reaches on the same device.

    Attributes:
        name: of the shape.
        method: whose it is.
        points: its schedules that none of its others beats, by rising latency and value.
    """

    name: str
    method: str
    points: tuple[TradeoffPoint, ...]

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        points = [point.to_dict() for point in self.points]
        return {"name": self.name, "method": self.method, "points": points}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tradeoff:
    """All schedules that are optimal for some budget, for one model on one device.

    Attributes:
        model: timm's name.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES`.
        full: tokens of an uncut image.
        prefix: tokens that no block may drop.
        dense_ns: predicted for the unpruned model.
        points: by rising latency and value, none beaten in both by any schedule; each is
            proved optimal for budgets from its latency to the next one's.
        rivals: what published shapes reach, under no constraint on where they cut.
        profile: the device profile's name.
        device: the device's name in it.
        provenance: where the profile's numbers come from, a sentence each.
        warnings: what to know before trusting them.

    Raises:
        ScheduleError: no point, or latency or value do not rise from point to point.
    """

    model: str
    batch: int
    dtype: str
    full: int
    prefix: int
    dense_ns: int
    points: tuple[TradeoffPoint, ...]
    rivals: tuple[Rival, ...]
    profile: str
    device: str
    provenance: tuple[str, ...]
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise ScheduleError("points is empty: a model has at least its unpruned schedule")
        for points in (self.points, *(rival.points for rival in self.rivals)):
            latencies = [point.latency_ns for point in points]
            values = [point.value for point in points]
            if latencies != sorted(set(latencies)) or values != sorted(set(values)):
                raise ScheduleError("latency and value must rise from point to point")

    @property
    def dense_ms(self) -> float:
        """`dense_ns` in milliseconds."""
        return self.dense_ns / 1e6

    def at(self, budget_ns: int) -> TradeoffPoint | None:
        """The best schedule within a budget; None where none meets it."""
        place = bisect_right(self.points, budget_ns, key=lambda point: point.latency_ns)
        return self.points[place - 1] if place else None

    def thinned(self, most: int) -> tuple[TradeoffPoint, ...]:
        """At most so many points: the first, the last, and the nearest to even latencies.

        Raises:
            ScheduleError: `most` is below 2.
        """
        if most < 2:
            raise ScheduleError(f"most is {most}: must be 2 or more, the first and the last")
        if len(self.points) <= most:
            return self.points
        first, last = self.points[0].latency_ns, self.points[-1].latency_ns
        steps = (first + (last - first) * k / (most - 1) for k in range(most))
        return tuple(self.points[k] for k in sorted({self._nearest(step) for step in steps}))

    def _nearest(self, latency_ns: float) -> int:
        after = bisect_left(self.points, latency_ns, key=lambda point: point.latency_ns)
        near = range(max(after - 1, 0), min(after + 1, len(self.points)))
        return min(near, key=lambda k: abs(self.points[k].latency_ns - latency_ns))

    def to_dict(self) -> dict[str, object]:
        """As plain values, complete; latencies in ms."""
        return {
            "model": self.model,
            "batch": self.batch,
            "dtype": self.dtype,
            "full_tokens": self.full,
            "prefix_tokens": self.prefix,
            "dense_ms": self.dense_ms,
            "points": [point.to_dict() for point in self.points],
            "rivals": [rival.to_dict() for rival in self.rivals],
            "profile": self.profile,
            "device": self.device,
            "provenance": list(self.provenance),
            "warnings": list(self.warnings),
        }

    def to_csv(self) -> str:
        """Every point, a line each, under a header of `COLUMNS`; rivals are left out."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for point in self.points:
            kept = f"{point.schedule.kept_fraction:.6f}"
            tokens = " ".join(map(str, point.schedule.tokens))
            writer.writerow((f"{point.latency_ms:.6f}", kept, point.value, tokens))
        return out.getvalue()
