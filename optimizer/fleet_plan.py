"""The answer for several devices: a schedule, what it costs on each, and whether it fits."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.schedule import Schedule
from optimizer.solution import Status

__all__ = ["FleetDevice", "FleetPlan", "FleetSchedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDevice:
    """One device of a fleet.

    Attributes:
        profile: the device profile's name.
        device: the device's name in it.
        dtype: the number format that it is planned in.
        budget_ns: what the model must stay within on it.
        dense_ns: predicted for the unpruned model.
        provenance: where the profile's numbers come from, a sentence each.
    """

    profile: str
    device: str
    dtype: str
    budget_ns: int
    dense_ns: int
    provenance: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSchedule:
    """A schedule and what it costs on every device.

    Attributes:
        made_for: the profile that it is best for; None where it is for all.
        status: how the solve ended.
        schedule: token counts per block.
        gap: tokens over all blocks that a better schedule could keep more at most.
        latency_ns: on each device.
    """

    made_for: str | None
    status: Status
    schedule: Schedule
    gap: int
    latency_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """One schedule for all devices and, where asked for, the best of each.

    Attributes:
        model: timm's name.
        batch: images per call.
        devices: at least one.
        schedules: the one for all first.
        warnings: what to know before trusting it.
    """

    model: str
    batch: int
    devices: tuple[FleetDevice, ...]
    schedules: tuple[FleetSchedule, ...]
    warnings: tuple[str, ...]

    @property
    def shared(self) -> FleetSchedule:
        """The schedule for all."""
        return self.schedules[0]

    def within(self, schedule: FleetSchedule) -> tuple[bool, ...]:
        """Whether a schedule meets each device's budget."""
        pairs = zip(schedule.latency_ns, self.devices, strict=True)
        return tuple(latency <= device.budget_ns for latency, device in pairs)

    @property
    def worst(self) -> FleetDevice:
        """The device on which the schedule for all uses most of the budget."""
        used = [
            latency / device.budget_ns
            for latency, device in zip(self.shared.latency_ns, self.devices, strict=True)
        ]
        return self.devices[used.index(max(used))]

    def to_dict(self) -> dict[str, object]:
        """As plain values; latencies in ms, of every schedule on every device."""
        full = self.shared.schedule.full
        return {
            "model": self.model,
            "batch": self.batch,
            "full_tokens": full,
            "prefix_tokens": self.shared.schedule.prefix,
            "worst": self.worst.profile,
            "devices": [
                {
                    "profile": each.profile,
                    "device": each.device,
                    "dtype": each.dtype,
                    "budget_ms": each.budget_ns / 1e6,
                    "dense_ms": each.dense_ns / 1e6,
                    "provenance": list(each.provenance),
                }
                for each in self.devices
            ],
            "schedules": [
                {
                    "made_for": each.made_for,
                    "status": each.status.value,
                    "tokens": list(each.schedule.tokens),
                    "kept_fraction": round(each.schedule.kept_fraction, 6),
                    "gap": each.gap,
                    "predicted_ms": [latency / 1e6 for latency in each.latency_ns],
                    "within": list(self.within(each)),
                }
                for each in self.schedules
            ],
            "warnings": list(self.warnings),
        }
