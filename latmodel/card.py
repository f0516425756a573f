"""What is known of a device before it is timed: its data sheet; and how it is timed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from latmodel.errors import ProfileError

__all__ = ["HARNESSES", "Card"]

HARNESSES = ("eager", "graph")
"""How operators were timed: each dispatched and waited for, or as kernels alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a device's data sheet says.

    Attributes:
        sms: multiprocessors (cores, on a CPU); 1 or more.
        bandwidth_gb_s: memory bandwidth, in GB/s; above 0.
        peak_gflops: per dtype, a fused multiply-add counted as two; may be empty.

    Raises:
        ProfileError: a number is out of range.
    """

    sms: int
    bandwidth_gb_s: float
    peak_gflops: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = {"bandwidth_gb_s": self.bandwidth_gb_s}
        numbers |= {f"peak_gflops.{dtype}": peak for dtype, peak in self.peak_gflops.items()}
        for name, number in numbers.items():
            if not 0 < number < math.inf:
                raise ProfileError(f"{name} is {number}: must be finite and above 0")
        if self.sms < 1:
            raise ProfileError(f"sms is {self.sms}: must be 1 or more")
