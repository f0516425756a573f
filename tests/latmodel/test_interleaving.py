from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import cycle, pairwise
from statistics import median
from typing import Any

import pytest

from latmodel.errors import MeasurementError
from latmodel.interleaving import Effort, Estimate, Key, Reading, estimate, interleave
from latmodel.measurement import Measurement
from tests.latmodel.simulated import FULL, PLANTED, Machine, steady

ALL = Effort(target=0.0, limit_s=1e9, rounds=40)
"""Forty rounds, whatever is known: some eighty seconds of the machine's time."""


def sine(seconds: float) -> float:
    """A quarter slower and back, in ten seconds."""
    return 1 + 0.125 * math.sin(2 * math.pi * seconds / 10)


def warming(seconds: float) -> float:
    """A third slower at the end."""
    return 1 + 0.3 * min(seconds / 80, 1)


def throttled(factor: float, after_s: float = 40) -> Callable[[float], float]:
    """Slower by `factor` from then on; forty seconds are the middle of forty rounds."""
    return lambda seconds: 1.0 if seconds < after_s else factor


_Told = list[tuple[str, float, float]]


def readings_of(
    machine: Machine,
    effort: Effort = ALL,
    on_progress: Callable[[str, float], None] = lambda _what, _done: None,
) -> tuple[Reading, ...]:
    return interleave(
        machine.read,
        list(PLANTED),
        reference=FULL,
        clock=machine.clock,
        effort=effort,
        on_progress=on_progress,
    )


def errors(measured: dict[Key, Measurement]) -> list[float]:
    """How far each ratio to the reference is from the planted one, ascending."""
    unit = measured[FULL].centre_ns / PLANTED[FULL]
    return sorted(
        abs(measured[key].centre_ns / PLANTED[key] / unit - 1) for key in PLANTED if key != FULL
    )


def uncorrected(found: Estimate) -> dict[Key, Measurement]:
    return {key: Measurement(key[1], m.samples_ns) for key, m in found.measured.items()}


MACHINES: dict[str, dict[str, Any]] = {
    "steady": {},
    "drifting": {"slowness": sine},
    "warming": {"slowness": warming},
    "throttled a little": {"slowness": throttled(1.4)},
    "throttled early": {"slowness": throttled(1.4, after_s=25)},
    "throttled to half": {"slowness": throttled(1.95)},
    "throttled to a third": {"slowness": throttled(3.0)},
    "interrupted": {"odd": 0.02},
    "drifting and interrupted": {"slowness": sine, "odd": 0.02},
    "disturbed at one count": {"burst": ("blocks", 69)},
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("seed", range(3))
def test_planted_ratios_are_found_again(machine: str, seed: int) -> None:
    """All within 2 %, half of them within 0.6 %: the noise of 2 % over 40 rounds allows 0.4."""
    found = estimate(readings_of(Machine(seed, **MACHINES[machine])), FULL)
    missed = errors(found.measured)
    assert missed[-1] < 0.02
    assert median(missed) < 0.006
    assert not found.blind


@pytest.mark.parametrize("machine", ["drifting", "warming", "throttled early"])
@pytest.mark.parametrize("seed", range(3))
def test_correcting_is_clearly_better_than_not(machine: str, seed: int) -> None:
    """Most so where some counts are read less often than others."""
    readings = readings_of(Machine(seed, **MACHINES[machine]), Effort(limit_s=80, target=0.005))
    found = estimate(readings, FULL)
    assert errors(uncorrected(found))[-1] > 2 * errors(found.measured)[-1]


@pytest.mark.parametrize("noise", [0.005, 0.03])
@pytest.mark.parametrize("machine", ["steady", "interrupted"])
def test_without_drift_correcting_does_no_harm(machine: str, noise: float) -> None:
    """The mean error over all counts grows by a tenth of itself at most, over four machines."""
    plain, corrected = 0.0, 0.0
    for seed in range(4):
        options = {**MACHINES[machine], "noise": noise}
        found = estimate(readings_of(Machine(seed, **options)), FULL)
        corrected += sum(errors(found.measured))
        plain += sum(errors(uncorrected(found)))
    assert corrected < 1.1 * plain


def test_nothing_read_is_left_out_of_the_record() -> None:
    """Three times too slow, or while the machine was at a third of its speed: still there."""
    readings = readings_of(Machine(0, throttled(3.0), odd=0.02))
    found = estimate(readings, FULL)
    for key, m in found.measured.items():
        assert list(m.samples_ns) == [ns for read, ns in readings if read == key]
    left_out = sum(speed == 0 for m in found.measured.values() for speed in m.speeds)
    assert left_out > len(readings) / 4


@pytest.mark.parametrize("seed", range(3))
def test_a_part_that_keeps_its_pace_is_not_corrected(seed: int) -> None:
    """Cuts that never slow down, on a machine of which the rest does by a half."""

    class Partly(Machine):
        def read(self, key: Key) -> int:
            """A cut is read as if nothing had happened."""
            slowed = self._slowness
            self._slowness = steady if key[0] == "cut" else slowed
            taken = super().read(key)
            self._slowness = slowed
            return taken

    found = estimate(readings_of(Partly(seed, throttled(1.5, after_s=30))), FULL)
    for (part, _), m in found.measured.items():
        known = {speed for speed in m.speeds if speed}
        assert (known <= {1.0}) == (part == "cut")
    for key in PLANTED:
        if key[0] == "cut":
            assert found.measured[key].centre_ns == pytest.approx(PLANTED[key], rel=0.02)


def test_what_is_not_corrected_is_left_out_all_the_same_where_the_speed_is_unknown() -> None:
    """A cut of 10 ns whatever the reference does; its 11th and 12th stand beside 3000."""
    key: Key = ("cut", 1)
    states = [1000] * 11 + [3000] + [1000] * 5 + [1500] * 20
    readings: list[Reading] = [
        reading for state in states for reading in ((FULL, state), (key, 10))
    ]
    speeds = estimate(readings, FULL).measured[key].speeds
    assert [place for place, speed in enumerate(speeds) if speed == 0] == [10, 11, 16]
    assert set(speeds) == {0.0, 1.0}


def test_a_steady_machine_leaves_no_trace_in_the_record() -> None:
    found = estimate(readings_of(Machine(0, noise=0.0)), FULL)
    assert all(m.speeds == () for m in found.measured.values())


def test_a_count_read_only_while_the_speed_was_unknown_counts_as_it_is() -> None:
    """And is said to be blind, which is never known well enough."""
    key: Key = ("blocks", 5)
    readings: list[Reading] = [(FULL, 1000), (("cut", 1), 10)] * 6
    readings += [(FULL, 3000), (key, 50), (FULL, 1000), (("cut", 1), 10), (FULL, 1000)]
    found = estimate(readings, FULL)
    assert found.blind == {key}
    assert found.measured[key] == Measurement(5, (50,))
    assert key in found.unknown(FULL, target=1.0)


def test_few_samples_and_blind_ones_are_never_known() -> None:
    """However well they agree: six are too few, and blind ones may all be wrong."""
    measured = {FULL: Measurement(197, (900,) * 9)}
    measured |= {("mlps", n): Measurement(n, (800,) * n) for n in (6, 7, 8)}
    found = Estimate(measured, frozenset({("mlps", 8)}))
    assert found.unknown(FULL, 0.01) == {("mlps", 6), ("mlps", 8)}


def test_every_round_has_an_order_of_its_own_and_the_reference_all_through_it() -> None:
    machine = Machine(0)
    readings_of(machine, Effort(target=0.0, limit_s=1e9, rounds=5))
    each = len(machine.asked) // 5
    orders = [machine.asked[start : start + each] for start in range(0, 5 * each, each)]
    for order in orders:
        counted = Counter(order)
        assert counted.pop(FULL) == math.ceil((len(PLANTED) - 1) / 8) + 1
        assert counted == dict.fromkeys(PLANTED.keys() - {FULL}, 1)
        at = [place for place, key in enumerate(order) if key == FULL]
        assert (at[0], at[-1]) == (0, each - 1)
        assert max(b - a for a, b in pairwise(at)) == 9
    assert all(one != other for one, other in pairwise(orders))
    again = Machine(1)
    readings_of(again, Effort(target=0.0, limit_s=1e9, rounds=5))
    assert again.asked == machine.asked


def test_rounds_go_on_until_every_count_is_known() -> None:
    """A steady machine needs the seven that a standard error is believed after."""
    for noise, least, most in [(0.0, 7, 7), (0.01, 7, 15), (0.04, 20, 90)]:
        machine = Machine(0, noise=noise)
        readings = readings_of(machine, Effort(limit_s=1e9, rounds=99))
        rounds = max(Counter(key for key, _ in readings if key != FULL).values())
        assert least <= rounds <= most
        assert not estimate(readings, FULL).unknown(FULL, 0.01)


def test_what_is_known_is_read_seldom() -> None:
    """One count with much noise is read in each of 32 rounds, the rest in about a quarter."""
    odd: Key = ("mlps", 64)

    class Uneven(Machine):
        def read(self, key: Key) -> int:
            """Only `odd` has noise."""
            self._noise = 0.2 if key == odd else 0.0
            return super().read(key)

    taken = Counter(key for key, _ in readings_of(Uneven(0), Effort(limit_s=1e9, rounds=32)))
    del taken[FULL]
    assert taken.pop(odd) == 32
    assert set(taken.values()) == {7 + 7}


def test_a_small_part_need_not_be_known_to_the_same_fraction() -> None:
    """A cut of 0.5 ms beside 80 ms: 1 % of a 25th of these are 6 % of that."""
    measured = {
        FULL: Measurement(197, (80_000_000,) * 8),
        ("cut", 1): Measurement(1, (480_000, 520_000) * 4),
        ("mlps", 1): Measurement(1, (48_000_000, 52_000_000) * 4),
    }
    assert Estimate(measured, frozenset()).unknown(FULL, 0.01) == {("mlps", 1)}


@pytest.mark.parametrize("limit_s", [8.0, 20.0])
def test_time_is_kept_to_within_two_readings(limit_s: float) -> None:
    machine = Machine(0)
    readings = readings_of(machine, Effort(target=0.0, limit_s=limit_s))
    assert limit_s <= machine.now_s < limit_s + 2 * 0.1
    assert readings[-1][0] == FULL


def test_three_rounds_are_made_however_long_they_take() -> None:
    readings = readings_of(Machine(0), Effort(target=0.0, limit_s=0.001))
    assert set(Counter(key for key, _ in readings if key != FULL).values()) == {3}


def test_a_profile_stays_below_a_megabyte() -> None:
    """Many counts: the rounds end at thirty thousand readings."""
    keys = [("blocks", count) for count in range(1, 1501)]
    uneven = cycle((1000, 1100, 1200))
    readings = interleave(
        lambda _: next(uneven), keys, reference=("blocks", 1500), clock=float, effort=ALL
    )
    assert 30_000 <= len(readings) < 30_000 + 1500 * 9 / 8 + 2


@pytest.mark.parametrize("slow", [steady, throttled(3.0)])
def test_progress_only_rises_and_never_runs_past_its_end(
    slow: Callable[[float], float],
) -> None:
    """And with time as the limit it is the time that has passed."""
    for effort in (Effort(rounds=2), Effort(target=0.0, limit_s=15), Effort(limit_s=0.01)):
        machine, told = Machine(0, slow), list[tuple[str, float, float]]()

        def tell(
            what: str, done: float, machine: Machine = machine, told: _Told = told
        ) -> None:
            told.append((what, done, machine.now_s))

        readings_of(machine, effort, tell)
        done = [fraction for _, fraction, _ in told]
        assert done == sorted(done)
        assert done[-1] == 1.0
        if effort.limit_s == 15:
            later = [(fraction, now) for what, fraction, now in told if "round 4" in what]
            assert all(f == pytest.approx(min(now / 15, 1)) for f, now in later)


def test_progress_says_what_is_known() -> None:
    told: list[str] = []
    readings_of(Machine(0, noise=0.03), Effort(rounds=8), lambda what, _: told.append(what))
    seven = readings_of(Machine(0, noise=0.03), Effort(rounds=7))
    known = len(PLANTED) - len(estimate(seven, FULL).unknown(FULL, 0.01))
    assert told[0] == "round 1"
    assert told[-1] == f"round 8, {known} of {len(PLANTED)} counts known to 1.0%"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": 0}, "rounds is 0: must be 1 or more"),
        ({"target": -0.01}, "target is -0.01: must be 0 or more"),
        ({"target": float("nan")}, "target is nan: must be 0 or more"),
        ({"limit_s": 0}, "limit_s is 0: must be above 0"),
        ({"limit_s": float("nan")}, "limit_s is nan: must be above 0"),
    ],
)
def test_an_effort_that_is_none_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        Effort(**change)
    assert str(caught.value) == message


def test_a_reading_that_is_no_latency_is_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        estimate([(FULL, 5), (("cut", 3), 0)], FULL)
    assert str(caught.value) == "a sample at 3 tokens is 0 ns: must be positive"
