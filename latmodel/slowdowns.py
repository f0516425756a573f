"""What a moving clock costs: governors slow light work, power limits slow long work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from latmodel.errors import ProfileError

if TYPE_CHECKING:
    from latmodel.fields import Fields

__all__ = ["Floats", "Governor", "Throttle", "require_not_negative"]

Floats = npt.NDArray[np.float64]


def require_not_negative(**values: float) -> None:
    """Refuse a parameter that is negative, NaN or infinite.

    Raises:
        ProfileError: names the parameter and what was found.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ProfileError(f"{name} is {value}: must be finite and 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slowdown:
    """A slowdown that sets in or fades around a busy time.

    Attributes:
        extra: the greatest slowdown, less 1; 0 for none.
        ramp_ns: busy time at which half of `extra` is felt, in ns; above 0.

    Raises:
        ProfileError: `extra` is negative, or `ramp_ns` is not above 0.
    """

    extra: float
    ramp_ns: float

    def __post_init__(self) -> None:
        require_not_negative(extra=self.extra, ramp_ns=self.ramp_ns)
        if self.ramp_ns == 0:
            raise ProfileError("ramp_ns is 0: must be above 0")

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {"extra": float(self.extra), "ramp_ns": float(self.ramp_ns)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Governor(_Slowdown):
    """What an unlocked clock costs: a governor grants light work a low clock.

        slowed_ns = busy_ns * (1 + extra / (1 + busy_ns / ramp_ns))

    Short work takes `1 + extra` times as long as at the full clock; long work keeps only
    the constant loss `extra * ramp_ns`. More work is never faster.

    Source:
        A form of our own that fits readings of Jetsons; its slope, 1 + extra / (1 + x)**2
        with x = busy_ns / ramp_ns, is positive for any `extra`.
    """

    def slowed_ns(self, busy_ns: Floats) -> Floats:
        """The time that `busy_ns` of work at the full clock takes, in ns."""
        return busy_ns * (1.0 + self.extra / (1.0 + busy_ns / self.ramp_ns))

    @classmethod
    def from_fields(cls, source: Fields) -> Governor:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
        """
        return cls(**_read(source))


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(_Slowdown):
    """What a power limit costs: work that lasts is slowed to the clock it can sustain.

        slowed_ns = busy_ns * (1 + extra * busy_ns / (busy_ns + ramp_ns))

    Source:
        A form of our own; two parameters halve the error of the wave model on P4 and T4
        (NeuSight's rows). More work is never faster.
    """

    def slowed_ns(self, busy_ns: Floats) -> Floats:
        """The time that `busy_ns` of work at the full clock takes, in ns."""
        return busy_ns * (1.0 + self.extra * busy_ns / (busy_ns + self.ramp_ns))

    @classmethod
    def from_fields(cls, source: Fields) -> Throttle:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
        """
        return cls(**_read(source))


def _read(source: Fields) -> dict[str, float]:
    values = {name: source.number(name, minimum=0) for name in ("extra", "ramp_ns")}
    source.finish()
    if values["ramp_ns"] == 0:
        raise source.refuse("ramp_ns", values["ramp_ns"], "a number above 0")
    return values
