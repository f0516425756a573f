"""Governors and throttles, by hand and by law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.slowdowns import Governor, Throttle, require_not_negative
from tests.latmodel.part_strategies import governors, throttles
from tests.latmodel.yaml_files import through_a_file

GOVERNOR, THROTTLE = Governor(extra=3.0, ramp_ns=50.0), Throttle(extra=3.0, ramp_ns=50.0)
EXTRAS, RAMPS = st.floats(0, 100), st.floats(1, 1e9)


def test_a_governor_by_hand() -> None:
    """Nothing costs nothing; 50 ns feel half of three; long work loses 3 * 50 ns."""
    slowed = GOVERNOR.slowed_ns(np.array([0.0, 1e-9, 35.0, 50.0, 1e9]))
    assert slowed[:2] == pytest.approx([0.0, 4e-9])
    assert slowed[2] == pytest.approx(35 * (1 + 3 / (1 + 35 / 50)))
    assert slowed[3:] == pytest.approx([50 * 2.5, 1e9 + 150], rel=1e-12)


def test_a_throttle_by_hand() -> None:
    """Short work feels nothing, 50 ns half of three, long work all of it but 3 * 50 ns."""
    slowed = THROTTLE.slowed_ns(np.array([0.0, 1e-9, 35.0, 50.0, 1e9]))
    assert slowed[:2] == pytest.approx([0.0, 1e-9])
    assert slowed[2] == pytest.approx(35 * (1 + 3 * 35 / 85))
    assert slowed[3:] == pytest.approx([50 * 2.5, 4e9 - 150], rel=1e-12)


@given(
    slowdown=st.builds(Governor, extra=EXTRAS, ramp_ns=RAMPS)
    | st.builds(Throttle, extra=EXTRAS, ramp_ns=RAMPS),
    works=st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)),
)
def test_more_work_is_never_faster_and_no_work_is_sped_up(
    slowdown: Governor | Throttle, works: tuple[float, float]
) -> None:
    works_ns = np.array(sorted(works))
    less, more = slowdown.slowed_ns(works_ns)
    assert less <= more * (1 + 1e-12)
    assert np.all(slowdown.slowed_ns(works_ns) >= works_ns)
    assert np.all(slowdown.slowed_ns(works_ns) <= works_ns * (1 + slowdown.extra) * (1 + 1e-12))


@given(slowdown=governors)
def test_a_governor_comes_back_from_a_file_bit_for_bit(slowdown: Governor) -> None:
    assert Governor.from_fields(through_a_file(slowdown.to_dict())) == slowdown


@given(slowdown=throttles)
def test_a_throttle_comes_back_from_a_file_bit_for_bit(slowdown: Throttle) -> None:
    assert Throttle.from_fields(through_a_file(slowdown.to_dict())) == slowdown


@pytest.mark.parametrize("kind", [Governor, Throttle])
@pytest.mark.parametrize(
    ("extra", "ramp_ns", "message"),
    [
        (-1.0, 1.0, "extra is -1.0: must be finite and 0 or more"),
        (float("nan"), 1.0, "extra is nan: must be finite and 0 or more"),
        (1.0, -1.0, "ramp_ns is -1.0: must be finite and 0 or more"),
        (1.0, float("inf"), "ramp_ns is inf: must be finite and 0 or more"),
        (1.0, 0.0, "ramp_ns is 0: must be above 0"),
    ],
)
def test_a_parameter_out_of_range_is_refused(
    kind: type[Governor | Throttle], extra: float, ramp_ns: float, message: str
) -> None:
    with pytest.raises(ProfileError) as caught:
        kind(extra=extra, ramp_ns=ramp_ns)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", [Governor, Throttle])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"extra": 1.0}, "it.ramp_ns: missing"),
        (
            {"extra": -1.0, "ramp_ns": 1.0},
            "it.extra: found a number -1.0, allowed is a finite number of 0 or more",
        ),
        (
            {"extra": 1.0, "ramp_ns": 0.0},
            "it.ramp_ns: found a number 0.0, allowed is a number above 0",
        ),
        (
            {"extra": 1.0, "ramp_ns": 1.0, "ramp": 2.0},
            "it.ramp: unknown key; known here are extra, ramp_ns",
        ),
    ],
)
def test_a_file_out_of_range_is_refused_by_path(
    kind: type[Governor | Throttle], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(FieldError) as caught:
        kind.from_fields(Fields(values, "it"))
    assert str(caught.value) == message


def test_of_several_parameters_the_one_out_of_range_is_named() -> None:
    require_not_negative(one=0.0, two=1.0)
    with pytest.raises(ProfileError) as caught:
        require_not_negative(one=0.0, two=-0.5)
    assert str(caught.value) == "two is -0.5: must be finite and 0 or more"
