"""Time single operators in turn, so that drift bends none of them against another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from latmodel.errors import MeasurementError
from latmodel.interleaving import Effort, Key, estimate, interleave
from latmodel.timing import settle

if TYPE_CHECKING:
    from latmodel.environment import Environment
    from latmodel.measurement import Measurement
    from latmodel.operator_kinds import Operator

__all__ = ["TimesOperators", "time_operators"]

_CALM = 4
"""Readings of the slowest operator that must get no quicker before any is kept: an idle
machine takes a while to raise its clock."""

OnProgress = Callable[[str, str, float], None]


class TimesOperators(Protocol):
    """What a runtime offers: samples of single operators, each run and waited for alone.

    No sample holds what only first calls do.
    """

    dtype: str

    def operator_ns(self, operator: Operator, /) -> int:
        """One sample, in ns."""
        ...

    def environment(self) -> Environment:
        """What the timings depend on."""
        ...


def time_operators(
    timer: TimesOperators,
    operators: Sequence[Operator],
    *,
    effort: Effort | None = None,
    on_progress: OnProgress = lambda _phase, _what, _done: None,
    clock: Callable[[], float] = monotonic,
) -> tuple[Measurement, ...]:
    """Read operators in turn, round after round, until each is known well enough.

    The slowest of them is read all the time and tells the machine's speed, for which the
    others are corrected.

    Args:
        timer: a device.
        operators: single ones; at least one.
        effort: when readings are enough; by default that of `Effort()`.
        on_progress: told the phase, what is going on and the fraction done, after each
            reading.
        clock: the time in seconds, from any start.

    Returns:
        What was measured of each operator, in their order; a measurement's `count` is the
        operator's number, from 1.

    Raises:
        MeasurementError: there is no operator, or one does not run here.
    """
    if not operators:
        raise MeasurementError("there is no operator to time: name at least one")
    first = []
    for number, operator in enumerate(operators):
        on_progress("preparing", operator.kind, number / len(operators))
        first.append(timer.operator_ns(operator))
    keys: list[Key] = [("operator", number) for number in range(1, len(operators) + 1)]
    reference = keys[first.index(max(first))]

    def read(key: Key) -> int:
        return timer.operator_ns(operators[key[1] - 1])

    settle(lambda: read(reference), calm=_CALM)
    readings = interleave(
        read,
        keys,
        reference=reference,
        clock=clock,
        effort=effort,
        on_progress=lambda what, done: on_progress(f"timing {len(keys)} operators", what, done),
    )
    measured = estimate(readings, reference).measured
    return tuple(measured[key] for key in keys)
