from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latmodel.curve import Curve
from latmodel.errors import MeasurementError
from latmodel.measurement import Measurement
from latmodel.planning import first_counts
from latmodel.probing import probe_curve

Latency = Callable[[int], float]
BASE_NS = 1_000_000


def stairs(
    tile: int, *, height: float = 0.3, slope: float = 0.0, floor: float = 1.0
) -> Latency:
    """One step up after every `tile` tokens, a slope on the treads, and a floor below."""

    def latency_ns(count: int) -> float:
        steps = 1 + height * ((count - 1) // tile) + slope * count
        return BASE_NS * max(floor, steps)

    return latency_ns


def located(curve: Curve) -> set[int]:
    return {edge.count for edge in curve.edges() if edge.located}


def planted(latency_ns: Latency, full: int) -> set[int]:
    """Every true step of 5 % or more, by looking at all counts."""
    return {
        count
        for count in range(1, full)
        if abs(latency_ns(count + 1) / latency_ns(count) - 1) >= 0.05
    }


@pytest.mark.parametrize("full", [197, 257])
@pytest.mark.parametrize("tile", [64, 96, 128])
@pytest.mark.parametrize("slope", [0, 0.0005, 0.002])
@pytest.mark.parametrize(("height", "floor"), [(0.3, 1.0), (1.0, 1.0), (0.3, 1.4), (0.3, 2.0)])
def test_planted_steps_are_located_to_the_token(
    full: int, tile: int, slope: float, height: float, floor: float
) -> None:
    """With 24 probes: every step of 5 % or more, and none that is not there."""
    latency_ns = stairs(tile, height=height, slope=slope, floor=floor)
    curve = probe_curve(latency_ns, tokens=range(1, full + 1), max_probes=24)
    assert located(curve) == planted(latency_ns, full)


@pytest.mark.parametrize("slope", [0, 0.0005, 0.002])
@pytest.mark.parametrize(("height", "floor"), [(0.3, 1.0), (1.0, 1.0), (0.3, 1.4)])
def test_many_planted_steps_are_told_and_most_located(
    slope: float, height: float, floor: float
) -> None:
    """Six steps, two probes each: what was not measured on both sides is still foretold."""
    latency_ns = stairs(32, height=height, slope=slope, floor=floor)
    curve = probe_curve(latency_ns, tokens=range(1, 198), max_probes=24)
    truth = planted(latency_ns, 197)
    assert located(curve) <= truth <= {edge.count for edge in curve.edges()}
    assert len(located(curve)) >= 0.8 * len(truth)


def test_a_staircase_of_16_tokens_is_foretold_where_it_was_not_measured() -> None:
    """12 steps in 197 tokens: 24 probes cannot stand on both sides of each."""
    latency_ns = stairs(16)
    curve = probe_curve(latency_ns, tokens=range(1, 198), max_probes=24)
    assert {edge.count for edge in curve.edges()} == planted(latency_ns, 197)


@given(
    full=st.sampled_from([197, 257, 577]),
    place=st.floats(0, 1),
    height=st.sampled_from([-0.3, -0.1, 0.1, 0.3, 1.0]),
    slope=st.sampled_from([0, 0.001]),
)
def test_one_step_anywhere_is_found_to_the_token(
    full: int, place: float, height: float, slope: float
) -> None:
    """Up or down, at a tile's edge or not."""
    step = 1 + round(place * (full - 2))

    def latency_ns(count: int) -> float:
        return BASE_NS * (1 + slope * count) * (1 + height * (count > step))

    curve = probe_curve(latency_ns, tokens=range(1, full + 1), max_probes=24)
    # The slope alone may look like a step where counts are few.
    assert step in located(curve)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tile", [64, 128])
def test_noise_hides_no_great_step(tile: int, seed: int) -> None:
    """Samples that scatter by 3 %, one in nine of them three times too slow."""
    random, latency_ns = Random(seed), stairs(tile, height=0.5)  # noqa: S311 (no secret)

    def noisy_ns(count: int) -> list[float]:
        samples = [latency_ns(count) * random.gauss(1, 0.03) for _ in range(9)]
        samples[4] *= 3
        return samples

    curve = probe_curve(noisy_ns, tokens=range(1, 198), max_probes=24)
    assert planted(latency_ns, 197) <= located(curve)


@given(
    tokens=st.lists(st.integers(1, 600), min_size=1, max_size=60),
    max_probes=st.integers(2, 40),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=30, deadline=None)
def test_no_more_counts_are_measured_than_allowed(
    tokens: list[int], max_probes: int, seed: int
) -> None:
    """Only counts of interest, both ends always, however unsorted or repeated they come."""
    random, asked = Random(seed), Counter[int]()  # noqa: S311 (no secret)
    latency_ns = {count: random.uniform(1e6, 3e6) for count in tokens}

    def measure(count: int) -> float:
        asked[count] += 1
        return latency_ns[count]

    curve = probe_curve(measure, tokens=tokens, max_probes=max_probes)
    assert {min(tokens), max(tokens)} <= set(asked) <= set(tokens)
    # Every probe is spent as long as there is a count to spend it on.
    assert len(asked) == min(max_probes, len(set(tokens)))
    assert curve.counts == tuple(sorted(asked))


def test_a_recording_is_read_once_but_for_the_first_count_and_surprises() -> None:
    """The full count is read twice, to see that readings repeat; that is not kept."""
    asked = Counter[int]()

    def replayed_ns(count: int) -> float:
        asked[count] += 1
        return stairs(64)(count)

    curve = probe_curve(replayed_ns, tokens=range(1, 198), max_probes=24)
    assert {count for count, times in asked.items() if times > 1} == {197}
    assert {len(probe.samples_ns) for probe in curve.probes} == {1}


@pytest.mark.parametrize("seed", range(3))
def test_one_slow_reading_in_a_recording_fools_nobody(seed: int) -> None:
    """It surprises, is read again, and then so is everything else."""
    slow = Random(seed).randrange(66, 128)  # noqa: S311 (no secret)
    latency_ns, told = stairs(64), Counter[int]()

    def measure(count: int) -> float:
        told[count] += 1
        return latency_ns(count) * (3 if count == slow and told[count] == 1 else 1)

    curve = probe_curve(measure, tokens=[1, slow, 64, 65, 128, 129, 197], max_probes=7)
    assert curve.latency_ns(slow) == pytest.approx(latency_ns(slow), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_noisy_readings_are_repeated_until_the_latency_is_known(seed: int) -> None:
    """3 % of noise and 2 % of readings three times too slow: 0.4 % are asked for."""
    random, latency_ns = Random(seed), stairs(64)  # noqa: S311 (no secret)

    def noisy_ns(count: int) -> float:
        slow = 3 if random.random() < 0.02 else 1
        return latency_ns(count) * random.gauss(1, 0.03) * slow

    curve = probe_curve(noisy_ns, tokens=range(1, 198), max_probes=16)
    errors = [probe.centre_ns / latency_ns(probe.count) - 1 for probe in curve.probes]
    assert np.std(errors) < 0.006
    assert max(map(abs, errors)) < 0.02
    assert max(len(probe.samples_ns) for probe in curve.probes) <= 100


def test_a_noisy_count_is_read_again_before_the_next_is_chosen() -> None:
    """Three readings at least: of two that differ none tells which is wrong."""
    random, asked = Random(0), list[int]()  # noqa: S311 (no secret)

    def noisy_ns(count: int) -> float:
        asked.append(count)
        return stairs(64)(count) * random.gauss(1, 0.03)

    probe_curve(noisy_ns, tokens=range(1, 198), max_probes=8)
    for count in set(asked):
        first = asked.index(count)
        assert asked[first : first + 3] == [count] * 3


def test_repeats_stop_at_the_limit() -> None:
    random, asked = Random(0), Counter[int]()  # noqa: S311 (no secret)

    def noisy_ns(count: int) -> float:
        asked[count] += 1
        return 1e6 * random.uniform(0.8, 1.2)

    probe_curve(noisy_ns, tokens=range(1, 50), max_probes=6, max_samples=4)
    assert set(asked.values()) == {4}


def test_samples_that_come_in_sets_are_taken_as_they_are() -> None:
    """A timer that gives as many as are allowed is called once a count."""
    asked = Counter[int]()

    def three_ns(count: int) -> list[int]:
        asked[count] += 1
        return [1000 + count, 1010 + count, 990 + count]

    probe_curve(three_ns, tokens=range(1, 50), max_probes=6, max_samples=3)
    assert set(asked.values()) == {1}


@pytest.mark.parametrize(
    ("tokens", "counts"),
    [
        ([1, 197], (1, 197)),
        ([197, 1, 197], (1, 197)),
        ([50], (50,)),
        (iter([3, 2]), (2, 3)),
        (range(5, 8), (5, 6, 7)),
    ],
)
def test_every_count_of_a_few_is_probed(tokens: Any, counts: tuple[int, ...]) -> None:
    assert probe_curve(float, tokens=tokens).counts == counts


def test_two_probes_are_the_ends() -> None:
    assert probe_curve(float, tokens=range(1, 198), max_probes=2).counts == (1, 197)


@pytest.mark.parametrize(
    "reading",
    [7, 7.0, np.float64(7), np.int64(7), [7, 7, 7], (7.2, 6.9, 900), np.array([7.0, 7.0]), [7]],
)
def test_one_latency_or_several_of_any_kind_are_taken(reading: object) -> None:
    curve = probe_curve(lambda _: reading, tokens=[1, 2])
    assert curve.latency_ns([1, 2]).tolist() == [7, 7]


def test_a_recorded_curve_can_be_replayed() -> None:
    """Probing all of a curve's own counts gives that curve again."""
    recorded = {1: [10, 11], 5: [30], 9: [20, 90, 25]}
    curve = probe_curve(recorded.__getitem__, tokens=recorded)
    assert [(p.count, list(p.samples_ns)) for p in curve.probes] == [*recorded.items()]


@pytest.mark.parametrize("latency_ns", [float("nan"), float("inf"), "slow", None, [1, "x"]])
def test_a_reading_that_is_no_number_is_refused(latency_ns: object) -> None:
    with pytest.raises(MeasurementError) as caught:
        probe_curve(lambda _: latency_ns, tokens=range(1, 9))
    assert str(caught.value) == (
        f"measure(8) gave {latency_ns!r}: allowed are positive numbers of ns"
    )


@pytest.mark.parametrize(("latency_ns", "found"), [(0, 0), (-3, -3), ([9, 0.2], 0)])
def test_a_latency_that_is_not_positive_is_refused(latency_ns: object, found: int) -> None:
    with pytest.raises(MeasurementError) as caught:
        probe_curve(lambda _: latency_ns, tokens=range(1, 9))
    assert str(caught.value) == f"a sample at 8 tokens is {found} ns: must be positive"


@pytest.mark.parametrize("tokens", [[], [0, 5], [-1]])
def test_tokens_must_be_positive_counts(tokens: list[int]) -> None:
    with pytest.raises(MeasurementError) as caught:
        probe_curve(float, tokens=tokens)
    assert str(caught.value) == "tokens must hold at least one count, and none below 1"


@pytest.mark.parametrize("max_probes", [1, 0, -4])
def test_fewer_than_two_probes_make_no_curve(max_probes: int) -> None:
    with pytest.raises(MeasurementError) as caught:
        probe_curve(float, tokens=[1, 2, 3], max_probes=max_probes)
    assert str(caught.value) == f"max_probes is {max_probes}: must be 2 or more"


def test_counts_from_numpy_become_plain_integers() -> None:
    """So that the curve can be written to a file."""
    curve = probe_curve(float, tokens=np.arange(1, 9))
    assert {type(count) for count in curve.counts} == {int}


def test_what_measure_raises_comes_through() -> None:
    def broken(_: int) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        probe_curve(broken, tokens=[1, 2])


@pytest.mark.parametrize("max_samples", [0, -1])
def test_no_sample_makes_no_curve(max_samples: int) -> None:
    with pytest.raises(MeasurementError) as caught:
        probe_curve(float, tokens=[1, 2, 3], max_samples=max_samples)
    assert str(caught.value) == f"max_samples is {max_samples}: must be 1 or more"


def test_every_probe_is_told_in_the_order_it_was_made() -> None:
    told: list[Measurement] = []
    curve = probe_curve(stairs(64), tokens=range(1, 198), on_probe=told.append)
    first = first_counts(range(1, 198), 24)
    assert tuple(probe.count for probe in told[: len(first)]) == first
    assert sorted(told, key=lambda probe: probe.count) == list(curve.probes)


@pytest.mark.parametrize(
    ("tokens", "max_probes"), [([1, 2, 300_000], 2), (range(1, 9000), 5000)]
)
def test_what_no_curve_can_hold_is_refused_before_it_is_measured(
    tokens: Any, max_probes: int
) -> None:
    asked = Counter[int]()

    def measure(count: int) -> float:
        asked[count] += 1
        return 1.0

    with pytest.raises(MeasurementError) as caught:
        probe_curve(measure, tokens=tokens, max_probes=max_probes)
    assert not asked
    assert str(caught.value).endswith(
        "a curve spans fewer than 200000 tokens and holds at most 4096 probes"
    )


def test_where_every_count_may_be_measured_every_one_is() -> None:
    curve = probe_curve(stairs(16), tokens=range(1, 151), max_probes=150)
    assert curve.counts == tuple(range(1, 151))
