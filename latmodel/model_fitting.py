"""Timings of single operators in, the operator model of a device out, its error with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import MeasurementError
from latmodel.part_fitting import fit_part
from latmodel.products import ProductModel
from latmodel.streams import StreamModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from latmodel.operator_readings import OperatorReadings
    from latmodel.slowdowns import Floats

__all__ = ["HeldOut", "fit_parts", "predict_part_ns"]

LEAST_HELD_OUT = 10
"""Shapes without which a held-out error says too little to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """The error of one part on shapes that its fit never saw.

    Attributes:
        kind: the operator.
        dtype: the number format.
        predicted_ns: shape (n,).
        read_ns: shape (n,).
    """

    kind: str
    dtype: str
    predicted_ns: Floats
    read_ns: Floats

    @property
    def errors(self) -> Floats:
        """Absolute errors as fractions of the readings, shape (n,)."""
        return np.asarray(np.abs(self.predicted_ns / self.read_ns - 1.0))

    @property
    def mean_percent(self) -> float:
        """The mean absolute error, in percent."""
        return float(100.0 * self.errors.mean())

    @property
    def median_percent(self) -> float:
        """The median absolute error, in percent."""
        return float(100.0 * np.median(self.errors))

    @property
    def within_10_percent(self) -> float:
        """The share of shapes within 10 %, in percent."""
        return float(100.0 * np.mean(self.errors <= 0.1))

    @property
    def deviation(self) -> float:
        """The root mean square log error: one standard deviation, as a fraction."""
        return float(np.sqrt(np.mean(np.log(self.predicted_ns / self.read_ns) ** 2)))


def predict_part_ns(part: ProductModel | StreamModel, readings: OperatorReadings) -> Floats:
    """What one part says of readings of a kind and dtype that it knows, in ns; shape (n,)."""
    busy_ns, factor = part.busy_ns(readings.kind, readings.sizes, dtype=readings.dtype)
    return np.asarray((part.launch_of(readings.kind) + busy_ns) * factor)


def fit_parts(
    readings: Sequence[OperatorReadings],
    *,
    sms: int,
    bandwidth_gb_s: float,
    on_part: Callable[[str], None] | None = None,
) -> tuple[tuple[ProductModel | StreamModel, ...], tuple[HeldOut, ...]]:
    """One model per kind and number format, and how far each was from shapes held out.

    Every part is fitted twice: without one shape in five, which gives its error, and then
    with all of them.

    Args:
        readings: one element per kind and dtype.
        sms: multiprocessors (cores, on a CPU).
        bandwidth_gb_s: memory bandwidth of the specification, in GB/s.
        on_part: told what is being fitted, for a progress line.

    Raises:
        MeasurementError: a kind and dtype stand twice, or too few shapes can be held out.
    """
    _require_enough(readings)  # before the minutes that a fit may take
    parts, errors = [], []
    for one in readings:
        if on_part is not None:
            on_part(f"{one.kind} in {one.dtype}, {len(one)} readings")
        held_out = _held_out(one, sms=sms, bandwidth_gb_s=bandwidth_gb_s)
        part = fit_part(one, sms=sms, bandwidth_gb_s=bandwidth_gb_s)
        parts.append(replace(part, relative_error=round(held_out.deviation, 4)))
        errors.append(held_out)
    return tuple(parts), tuple(errors)


def _require_enough(readings: Sequence[OperatorReadings]) -> None:
    seen: set[tuple[str, str]] = set()
    for one in readings:
        if (one.kind, one.dtype) in seen:
            raise MeasurementError(f"{one.kind} in {one.dtype} stands twice: join the readings")
        seen.add((one.kind, one.dtype))
        hidden = one.held_out().sum()
        if hidden < LEAST_HELD_OUT:
            raise MeasurementError(
                f"{one.kind} in {one.dtype}: {len(one)} readings leave {hidden} shapes to "
                f"hold out, at least {LEAST_HELD_OUT} are needed; read about 100 shapes"
            )


def _held_out(one: OperatorReadings, *, sms: int, bandwidth_gb_s: float) -> HeldOut:
    hidden = one.held_out()
    part = fit_part(one.where(~hidden), sms=sms, bandwidth_gb_s=bandwidth_gb_s)
    unseen = one.where(hidden)
    return HeldOut(
        kind=one.kind,
        dtype=one.dtype,
        predicted_ns=predict_part_ns(part, unseen),
        read_ns=unseen.latency_ns,
    )
