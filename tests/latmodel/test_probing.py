from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
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
@pytest.mark.parametrize("tile", [32, 48, 64, 96, 128])
@pytest.mark.parametrize("slope", [0, 0.0005, 0.002])
@pytest.mark.parametrize(("height", "floor"), [(0.3, 1.0), (1.0, 1.0), (0.3, 1.4), (0.3, 2.0)])
def test_planted_steps_are_found_to_the_token(
    full: int, tile: int, slope: float, height: float, floor: float
) -> None:
    """With 24 probes: every step of 5 % or more, and none that is not there."""
    latency_ns = stairs(tile, height=height, slope=slope, floor=floor)
    curve = probe_curve(latency_ns, tokens=range(1, full + 1), max_probes=24)
    assert located(curve) == planted(latency_ns, full)


def test_steps_of_16_tokens_need_two_probes_each() -> None:
    """12 steps in 197 tokens: both sides of each are 24 counts, and the ends two more."""
    latency_ns = stairs(16)
    few = probe_curve(latency_ns, tokens=range(1, 198), max_probes=24)
    more = probe_curve(latency_ns, tokens=range(1, 198), max_probes=32)
    assert located(few) < located(more) == planted(latency_ns, 197)


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
def test_no_count_is_measured_twice_nor_more_than_allowed(
    tokens: list[int], max_probes: int, seed: int
) -> None:
    """Only counts of interest, both ends always, however unsorted or repeated they come."""
    random, asked = Random(seed), Counter[int]()  # noqa: S311 (no secret)

    def measure(count: int) -> float:
        asked[count] += 1
        return random.uniform(1, 1e9)

    curve = probe_curve(measure, tokens=tokens, max_probes=max_probes)
    assert set(asked.values()) == {1}
    assert {min(tokens), max(tokens)} <= set(asked) <= set(tokens)
    # Every probe is spent as long as there is a count to spend it on.
    assert len(asked) == min(max_probes, len(set(tokens)))
    assert curve.counts == tuple(sorted(asked))


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
        f"measure(1) gave {latency_ns!r}: allowed are positive numbers of ns"
    )


@pytest.mark.parametrize(("latency_ns", "found"), [(0, 0), (-3, -3), ([9, 0.2], 0)])
def test_a_latency_that_is_not_positive_is_refused(latency_ns: object, found: int) -> None:
    with pytest.raises(MeasurementError) as caught:
        probe_curve(lambda _: latency_ns, tokens=range(1, 9))
    assert str(caught.value) == f"a sample at 1 tokens is {found} ns: must be positive"


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


def test_every_probe_is_told_in_the_order_it_was_made() -> None:
    told: list[Measurement] = []
    curve = probe_curve(stairs(64), tokens=range(1, 198), on_probe=told.append)
    first = first_counts(range(1, 198), 24)
    assert tuple(probe.count for probe in told[: len(first)]) == first
    assert sorted(told, key=lambda probe: probe.count) == list(curve.probes)
