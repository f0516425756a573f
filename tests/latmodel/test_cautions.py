from __future__ import annotations

from dataclasses import replace

import pytest

from latmodel.cautions import cautions
from latmodel.curve import Curve
from latmodel.measurement import Measurement
from latmodel.workload_curves import WorkloadCurves
from tests.latmodel.golden import PAPER

(ON_PAPER,) = PAPER.curves


def read(*speeds: float, slow: int = 100) -> WorkloadCurves:
    """Every reading takes 100 ns at the usual speed."""
    samples = tuple(round(slow / (speed or 1)) for speed in speeds)
    probes = tuple(Measurement(count, samples, speeds) for count in (1, 4))
    return replace(ON_PAPER, blocks=Curve(probes), mlps=Curve(probes), cut=Curve(probes))


def test_a_quiet_machine_is_no_warning() -> None:
    assert cautions(read(1.0, 1.0, 1.0), 0.1) == ()


@pytest.mark.parametrize(
    ("speeds", "warned"), [((0.95, 1.0, 1.09), False), ((0.9, 1.0, 1.1), True)]
)
def test_a_great_drift_is_warned_of(speeds: tuple[float, ...], warned: bool) -> None:
    warning = (
        "the machine's speed moved between 90% and 110% of its usual one while it was timed; "
        "readings are corrected for it, but parts may not slow down alike: lock the clocks, "
        "let the device cool and probe again"
    )
    assert cautions(read(*speeds), 0.0) == ((warning,) if warned else ())


@pytest.mark.parametrize(("rejected", "warned"), [(1, False), (2, True)])
def test_many_rejected_readings_are_warned_of(rejected: int, warned: bool) -> None:
    """More than one in twenty."""
    warning = (
        "12 of 120 readings were taken while the machine's speed jumped or was far from its "
        "usual one, and were left out: close other programs, or let the device cool"
    )
    speeds = (*(0.0,) * rejected, *(1.0,) * (20 - rejected))
    assert cautions(read(*speeds), 0.0) == ((warning,) if warned else ())


def test_what_was_never_read_in_a_known_state_is_warned_of() -> None:
    assert cautions(read(1.0), 0.0, blind=2) == (
        "2 counts were never read while the machine's speed was known, and are as they were "
        "read: probe again when the machine is quiet",
    )


def test_readings_that_nobody_asked_for_are_warned_of() -> None:
    assert cautions(read(1.0), 0.0, unasked=3) == (
        "3 readings of the interrupted probe are left out, because other counts were chosen "
        "this time: the package changed in between; probe again into a new file",
    )


def test_interrupted_calls_are_warned_of_in_place_of_their_spread() -> None:
    """Among those whose speed was known."""
    curves = read(1.0, 1.0, 1.0)
    late = tuple(
        Measurement(count, (100, 120, 900, 80, 5), (1.0, 1.0, 1.0, 1.0, 0.0))
        for count in (1, 4)
    )
    (warning, _) = cautions(replace(curves, blocks=Curve(late)), 0.0)
    assert warning == (
        "2 of 8 calls took over half as long again as the fastest and were left out: another "
        "program took the processor, or the device throttles"
    )
