from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.drift import LIMIT, feels, find_speeds


def mixed(references: list[int], others: int = 2) -> tuple[list[int], list[bool]]:
    """Readings of 500 each between the references, and which are references."""
    taken, flags = [references[0]], [True]
    for reference in references[1:]:
        taken += [500] * others + [reference]
        flags += [False] * others + [True]
    return taken, flags


@given(
    taken=st.lists(st.tuples(st.integers(1, 10**12), st.booleans()), max_size=60),
)
def test_speeds_are_0_or_within_the_limit(taken: list[tuple[int, bool]]) -> None:
    """Whatever was read; one speed for each reading, in four digits."""
    speeds = find_speeds([ns for ns, _ in taken], [flag for _, flag in taken])
    assert len(speeds) == len(taken)
    assert all(s == 0 or 0.999 / LIMIT < s < 1.001 * LIMIT for s in speeds)
    assert all(s == round(s, 4) for s in speeds)


@given(references=st.lists(st.integers(1, 10**9), max_size=4))
def test_a_few_references_correct_nothing(references: list[int]) -> None:
    taken = [*references, 7, 9]
    flags = [True] * len(references) + [False] * 2
    assert find_speeds(taken, flags) == (1.0,) * len(taken)


@given(others=st.lists(st.integers(1, 10**9), min_size=4, max_size=20))
def test_equal_references_correct_nothing(others: list[int]) -> None:
    """However the counts between them differ."""
    taken = [ns for other in others for ns in (1000, other)] + [1000]
    assert find_speeds(taken, [True, False] * len(others) + [True]) == (1.0,) * len(taken)


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1])
def test_noise_without_drift_is_hardly_corrected(noise: float) -> None:
    """What the correction adds is less than a third of the noise, on the average of ten."""
    added = []
    for seed in range(10):
        random = Random(seed)  # noqa: S311 (no secret)
        taken, flags = mixed([round(1e6 * math.exp(random.gauss(0, noise))) for _ in range(99)])
        speeds = [
            s for s, flag in zip(find_speeds(taken, flags), flags, strict=True) if not flag
        ]
        added.append(math.sqrt(sum(math.log(s) ** 2 for s in speeds if s) / len(speeds)))
    assert sum(added) / 10 < noise / 3


def test_a_slow_drift_is_followed_at_the_time_of_each_reading() -> None:
    """Two per cent slower with every reference; a reading in the middle gets the middle."""
    references = [round(1e6 * 1.02**step) for step in range(-10, 11)]
    taken, flags = mixed(references, others=1)
    speeds = find_speeds(taken, flags)
    assert speeds[20] == pytest.approx(1.0, abs=1e-3)
    between = [s for s, flag in zip(speeds, flags, strict=True) if not flag][1:-1]
    for step, speed in enumerate(between, start=-9):
        assert speed == pytest.approx(1.02 ** -(step + 0.5), rel=2e-3)


def test_a_drift_is_followed_to_both_ends() -> None:
    """Where there are neighbours on one side only; on the average of many noisy series."""
    ends = [0.0, 0.0]
    for seed in range(40):
        random = Random(seed)  # noqa: S311 (no secret)
        slow = [0.004 * step for step in range(-30, 31)]
        taken, flags = mixed([round(1e6 * math.exp(s + random.gauss(0, 0.02))) for s in slow])
        speeds = find_speeds(taken, flags)
        ends[0] += math.log(speeds[1]) - 0.004 * 29.5
        ends[1] += math.log(speeds[-2]) + 0.004 * 29.5
    assert [missed / 40 for missed in ends] == pytest.approx([0, 0], abs=0.006)


def test_a_reading_stands_where_the_time_does() -> None:
    """A long one and a short one between two references: the short one is at the end."""
    references = [round(1e6 * 1.04**step) for step in range(-6, 7)]
    taken, flags = mixed(references, others=2)
    middle = taken.index(10**6)
    taken[middle + 1] = 98_000_000
    speeds = find_speeds(taken, flags)
    assert speeds[middle + 1] == pytest.approx(1.04**-0.5, rel=2e-3)
    assert speeds[middle + 2] == pytest.approx(1.04**-0.99, rel=2e-3)


def test_a_sudden_change_is_corrected_but_for_the_readings_around_it() -> None:
    taken, flags = mixed([1000] * 20 + [1300] * 21)
    speeds = find_speeds(taken, flags)
    unknown = [place for place, speed in enumerate(speeds) if speed == 0]
    assert unknown == [57, 58, 59, 60]
    assert set(speeds[:57]) == {1.3}
    assert set(speeds[61:]) == {1.0}


@pytest.mark.parametrize(("factor", "known"), [(1.95, True), (2.05, False)])
def test_a_machine_too_unlike_itself_is_not_corrected(factor: float, known: bool) -> None:
    """The usual speed is that of most references."""
    taken, flags = mixed([1000] * 40 + [round(1000 * factor)] * 9)
    speeds = find_speeds(taken, flags)
    assert set(speeds[:117]) == {1.0}
    assert (speeds[-1] > 0) == known


def test_readings_beside_a_disturbed_reference_are_left_out() -> None:
    references = [1000] * 20
    references[8] = 3000
    taken, flags = mixed(references)
    speeds = find_speeds(taken, flags)
    assert [place for place, speed in enumerate(speeds) if speed == 0] == [22, 23, 24, 25, 26]
    assert set(speeds) == {0.0, 1.0}


@pytest.mark.parametrize("place", [0, 19])
def test_a_disturbed_reference_at_an_end_spoils_what_is_beside_it(place: int) -> None:
    references = [1000] * 20
    references[place] = 3000
    taken, flags = mixed(references)
    speeds = find_speeds([500, *taken, 500], [False, *flags, False])
    spoilt = {0, 1, 2, 3} if place == 0 else {59, 58, 57, 56}
    assert {at for at, speed in enumerate(speeds) if speed == 0} == spoilt


def test_a_reference_is_judged_by_its_neighbours() -> None:
    """Its own noise is no drift: corrected readings of it scatter as the raw ones do."""
    random = Random(1)  # noqa: S311 (no secret)
    drift = [1 + 0.2 * math.sin(step / 9) for step in range(200)]
    taken = [round(1e6 * slow * math.exp(random.gauss(0, 0.02))) for slow in drift]
    speeds = find_speeds(taken, [True] * 200)
    corrected = [math.log(ns * speed) for ns, speed in zip(taken, speeds, strict=True) if speed]
    steps = sorted(abs(b - a) for a, b in pairwise(corrected))
    # The median of the difference of two normal readings is 0.954 standard deviations.
    assert steps[len(steps) // 2] > 0.02 * 0.954


@pytest.mark.parametrize(
    ("taken", "speeds", "answer"),
    [
        # The same either way, nothing known, and nothing read.
        ([100, 110, 100, 110], [1.0, 1.0, 1.0, 1.0], True),
        ([100, 200], [0.0, 0.0], True),
        ([], [], True),
        # Half as fast, as the reference; half of it; none of it.
        ([100, 201, 99, 200], [1.0, 0.5, 1.0, 0.5], True),
        ([100, 150, 99, 150], [1.0, 0.5, 1.0, 0.5], True),
        ([100, 101, 99, 100], [1.0, 0.5, 1.0, 0.5], False),
        # What was read at an unknown speed does not matter.
        ([100, 101, 900, 100], [1.0, 0.5, 0.0, 0.5], False),
    ],
)
def test_what_keeps_its_pace_is_told_from_what_slows_down(
    taken: list[int], speeds: list[float], answer: bool
) -> None:
    assert feels(taken, speeds) is answer
