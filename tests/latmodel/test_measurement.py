from __future__ import annotations

from random import Random
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.errors import FieldError, MeasurementError
from latmodel.fields import Fields
from latmodel.measurement import Measurement
from tests.latmodel.strategies import measurements

several = st.lists(st.integers(1, 10**12), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("reading", "samples"),
    [
        (1000, (1000,)),
        (1000.4, (1000,)),
        (np.float64(12.6), (13,)),
        (np.int32(7), (7,)),
        (np.array(5.0), (5,)),
        (np.array([1, 2], dtype=np.uint8), (1, 2)),
        ((count * 10 for count in (1, 2)), (10, 20)),
        ([1, 2.0, np.float32(3)], (1, 2, 3)),
        ((4,), (4,)),
        (np.array([10.0, 20.0]), (10, 20)),
        (range(1, 4), (1, 2, 3)),
    ],
)
def test_one_reading_or_several_are_taken(reading: object, samples: tuple[int, ...]) -> None:
    assert Measurement.of(64, reading).samples_ns == samples


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (float("nan"), "measure(64) gave nan: allowed are positive numbers of ns"),
        (float("inf"), "measure(64) gave inf: allowed are positive numbers of ns"),
        ([1, None], "measure(64) gave [1, None]: allowed are positive numbers of ns"),
        ("fast", "measure(64) gave 'fast': allowed are positive numbers of ns"),
        ("12", "measure(64) gave '12': allowed are positive numbers of ns"),
        (["12"], "measure(64) gave ['12']: allowed are positive numbers of ns"),
        (b"12", "measure(64) gave b'12': allowed are positive numbers of ns"),
        (True, "measure(64) gave True: allowed are positive numbers of ns"),
        ([[1], [2, 3]], "measure(64) gave [[1], [2, 3]]: allowed are positive numbers of ns"),
        (1 + 1j, "measure(64) gave (1+1j): allowed are positive numbers of ns"),
        (None, "measure(64) gave None: allowed are positive numbers of ns"),
        ([[1, 2]], "measure(64) gave [[1, 2]]: allowed are positive numbers of ns"),
        (10**400, f"measure(64) gave {10**400}: allowed are positive numbers of ns"),
        (0, "a sample at 64 tokens is 0 ns: must be positive"),
        (0.3, "a sample at 64 tokens is 0 ns: must be positive"),
        ([5, -2], "a sample at 64 tokens is -2 ns: must be positive"),
        ([], "no sample at 64 tokens"),
        (np.array([]), "no sample at 64 tokens"),
    ],
)
def test_what_is_no_latency_is_refused(reading: object, message: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        Measurement.of(64, reading)
    assert str(caught.value) == message


def test_a_count_must_be_positive() -> None:
    with pytest.raises(MeasurementError, match="count is 0: must be 1 or more"):
        Measurement(0, (1,))


def test_centre_and_spread_by_hand() -> None:
    """Of 90, 100, 130: centre 100; deviations 10, 0, 30 have the median 10."""
    probe = Measurement(1, (130, 90, 100))
    assert probe.centre_ns == 100
    assert probe.spread == pytest.approx(0.14826)
    assert probe.relative_error == pytest.approx(1.2533 * 0.14826 / 3**0.5)


def test_one_sample_tells_nothing_of_its_spread() -> None:
    assert Measurement(1, (5,)).relative_error == 0


@given(
    samples=st.lists(st.integers(1000, 1500), min_size=2, max_size=9),
    late=st.lists(st.integers(2251, 10**12), max_size=2),
    seed=st.randoms(),
)
def test_interrupted_calls_are_kept_but_do_not_count(
    samples: list[int], late: list[int], seed: Random
) -> None:
    """However slow and wherever they stand."""
    calm, mixed = Measurement(1, tuple(samples)), [*samples, *late]
    seed.shuffle(mixed)
    hasty = Measurement(1, tuple(mixed))
    assert hasty.samples_ns == tuple(mixed)
    assert sorted(hasty.steady_ns) == sorted(samples)
    for figure in ("centre_ns", "spread", "relative_error"):
        assert getattr(hasty, figure) == getattr(calm, figure)


@pytest.mark.parametrize(
    ("samples", "steady"),
    [
        ((5,), (5,)),
        ((900, 5), (5,)),
        ((150, 100, 151, 149), (150, 100, 149)),
        # One fast call is an oddity where there are three or more: a clock boost, a cache.
        ((1000, 600, 1000), (1000, 1000)),
        ((1000, 600, 601), (600, 601)),
        # A third of many must agree: ten of thirty, and nine are too few.
        ((*[1000] * 21, *[600] * 9), (1000,) * 21),
        ((*[1000] * 20, *[600] * 10), (600,) * 10),
        # No two agree so far.
        ((1, 10, 100), (1, 10, 100)),
    ],
)
def test_the_fastest_that_others_confirm_tells_what_is_steady(
    samples: tuple[int, ...], steady: tuple[int, ...]
) -> None:
    assert Measurement(1, samples).steady_ns == steady


def test_one_fast_outlier_does_not_move_the_centre() -> None:
    assert Measurement(1, (*[1000] * 20, 600)).centre_ns == 1000


def test_a_slow_machine_is_corrected_for_and_an_unknown_one_left_out() -> None:
    """100 at full speed is 200 at half; the raw samples stay as they were read."""
    probe = Measurement(1, (100, 200, 125, 140), (1.0, 0.5, 0.8, 0.0))
    assert probe.corrected_ns == probe.steady_ns == (100, 100, 100)
    assert (probe.centre_ns, probe.spread) == (100, 0)
    assert probe.samples_ns == (100, 200, 125, 140)
    assert Measurement(1, (1,), (0.1,)).centre_ns == 1


def test_without_speeds_the_file_is_as_before() -> None:
    assert Measurement(2, (4,)).to_dict() == {"count": 2, "samples_ns": [4]}


@pytest.mark.parametrize("speed", [-0.1, float("nan"), float("inf")])
def test_a_speed_is_a_number_of_0_or_more(speed: float) -> None:
    with pytest.raises(MeasurementError) as caught:
        Measurement(7, (1, 2), (1.0, speed))
    assert str(caught.value) == (
        "a speed at 7 tokens is negative or no number: must be 0 or more"
    )


@given(samples=several)
def test_order_of_samples_is_kept_and_does_not_matter(samples: list[int]) -> None:
    ours, turned = Measurement(1, tuple(samples)), Measurement(1, tuple(samples[::-1]))
    assert ours.samples_ns == tuple(samples)
    assert (ours.centre_ns, ours.spread) == (turned.centre_ns, turned.spread)
    assert abs(ours.centre_ns - median(ours.steady_ns)) <= 0.5


@given(probe=measurements(st.integers(1, 10**6)))
def test_reading_inverts_writing(probe: Measurement) -> None:
    assert Measurement.from_fields(Fields(probe.to_dict())) == probe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "probe.count: found an integer 0, allowed is an integer of 1 or more"),
        (
            {"samples_ns": [3, True]},
            "probe.samples_ns.1: found a yes/no value True, allowed is an integer of 1 or more",
        ),
        ({"samples_ns": 3}, "probe.samples_ns: found an integer 3, allowed is a list"),
        ({"samples_ns": []}, "probe.samples_ns: no sample at 2 tokens"),
        (
            {"speeds": [-0.5]},
            "probe.speeds.0: found a number -0.5, allowed is a finite number of 0 or more",
        ),
        (
            {"speeds": [1, 1]},
            "probe.speeds: 2 speeds for 1 samples at 2 tokens: must be one for each",
        ),
        (
            {"speeds": [0]},
            "probe.speeds: every speed at 2 tokens is 0: one sample at least must count",
        ),
        ({"unit": "ns"}, "probe.unit: unknown key; known here are count, samples_ns, speeds"),
    ],
)
def test_a_malformed_probe_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        Measurement.from_fields(Fields({"count": 2, "samples_ns": [4]} | change, "probe"))
    assert str(caught.value) == message
