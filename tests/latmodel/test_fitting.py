from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from latmodel.fitting import Fit, fit, standard_errors
from latmodel.gaps import Floats
from latmodel.measurement import Measurement
from tests.latmodel.planted import probes_through

FULL = 197
EVERY = np.arange(1, FULL + 1)
ONE_STEP = ((1, 1e6), (20, 1e6), (40, 1e6), (60, 1.3e6), (80, 1.3e6), (100, 1.3e6))
"""Flat, and 30 % up somewhere between 40 and 60."""


def at_probes(fitted: Fit, values: Floats) -> Floats:
    """Of values at every count, those at the probes."""
    chosen: Floats = values[fitted.gaps.counts - fitted.counts[0]]
    return chosen


def at(fitted: Fit, count: int) -> tuple[float, float]:
    """Latency and deviation there."""
    place = count - int(fitted.counts[0])
    return float(fitted.latency_ns[place]), float(fitted.deviation_ns[place])


def noisy(rng: np.random.Generator, count: int, latency: float, noise: float) -> Measurement:
    """Five samples, or one where there is no noise."""
    factors = 1 + noise * rng.standard_normal(5 if noise else 1)
    return Measurement(count, tuple(round(latency * factor) for factor in factors))


@st.composite
def exact_probes(draw: st.DrawFn) -> list[Measurement]:
    """One sample each, up to three times as slow as the fastest."""
    counts = sorted(draw(st.sets(st.integers(1, 300), min_size=2, max_size=12)))
    latency = st.integers(1_000_000, 3_000_000)
    return probes_through(*((count, draw(latency)) for count in counts))


@given(probes=exact_probes())
def test_without_noise_a_curve_is_exact_at_its_probes(probes: list[Measurement]) -> None:
    fitted = fit(probes)
    centres = [probe.centre_ns for probe in probes]
    assert at_probes(fitted, fitted.latency_ns).tolist() == pytest.approx(centres, rel=1e-12)
    assert at_probes(fitted, fitted.deviation_ns).tolist() == [0] * len(probes)


@given(probes=exact_probes())
def test_every_count_has_a_place_in_its_gap(probes: list[Measurement]) -> None:
    """Shares grow from 0 at the probe before to 1 at the one after."""
    fitted = fit(probes)
    assert fitted.counts.tolist() == list(range(probes[0].count, probes[-1].count + 1))
    for count, gap in zip(fitted.counts.tolist(), fitted.gap_of.tolist(), strict=True):
        assert probes[gap].count <= count <= probes[gap + 1].count
    assert at_probes(fitted, fitted.shares)[:-1].tolist() == [0] * (len(probes) - 1)
    assert fitted.shares[-1] == pytest.approx(1)
    inside = np.diff(fitted.gap_of) == 0
    assert np.all(np.diff(fitted.shares)[inside] > 0)


@given(probes=exact_probes())
def test_between_probes_latency_stays_near_them(probes: list[Measurement]) -> None:
    """Within them, but for what caution adds above, and what a smooth curve bends."""
    fitted = fit(probes)
    assume(not fitted.rough.zones)  # there a probe tells only of itself
    before, after = (fitted.gaps.centres[fitted.gap_of + k] for k in (0, 1))
    low, high = np.minimum(before, after), np.maximum(before, after)
    assert np.all(fitted.latency_ns >= low * 0.985)
    assert np.all(fitted.latency_ns <= high * 1.015 + 0.3 * fitted.deviation_ns)


@given(probes=exact_probes(), power=st.integers(1, 12))
def test_slower_readings_are_the_same_curve_slower(
    probes: list[Measurement], power: int
) -> None:
    """Powers of two leave a float's digits as they are."""
    ours = fit(probes)
    other = fit(probes_through(*((p.count, p.centre_ns * 2**power) for p in probes)))
    assert other.latency_ns.tolist() == pytest.approx(ours.latency_ns * 2**power, rel=1e-9)
    assert other.deviation_ns.tolist() == pytest.approx(ours.deviation_ns * 2**power, rel=1e-9)
    assert other.counts.tolist() == ours.counts.tolist()
    assert other.gap_of.tolist() == ours.gap_of.tolist()
    assert other.shares.tolist() == ours.shares.tolist()
    assert other.hidden.tolist() == ours.hidden.tolist()


def test_doubt_is_largest_amid_the_gap_that_has_the_step() -> None:
    fitted = fit(probes_through(*ONE_STEP))
    assert at(fitted, 40) == (1e6, 0)
    assert at(fitted, 60) == (1.3e6, 0)
    assert at(fitted, 50)[1] > 0.09 * 1e6
    assert at(fitted, 50)[1] > 3 * at(fitted, 41)[1] / 2 > 0
    assert 40 < int(fitted.counts[fitted.deviation_ns.argmax()]) < 60
    assert fitted.hidden.argmax() == 2
    assert fitted.hidden[2] == pytest.approx(0.3 / 1.15, rel=0.2)


def test_a_step_is_expected_at_the_tiles_edge_where_others_were() -> None:
    """One step of a tenth after each 64 tokens; the last is known to lie in 180 to 197."""
    known = (1, 30, 64, 65, 100, 128, 129, 160, 180, 197)
    fitted = fit(probes_through(*((n, 1e6 * 1.1 ** ((n - 1) // 64)) for n in known)))
    low, high = 1e6 * 1.1**2, 1e6 * 1.1**3
    assert fitted.shares[192 - 1] < 0.1
    assert fitted.shares[193 - 1] > 0.9
    assert at(fitted, 190)[0] == pytest.approx(low, rel=0.015)
    assert at(fitted, 194)[0] == pytest.approx(high, rel=0.015)


def test_no_slope_is_expected_to_rise_above_both_probes_of_a_level_gap() -> None:
    """Elsewhere it rises 6 % in 29 tokens, which a fall at 128 would have to undo here."""
    inner = {n: n if n <= 100 else n - 29 for n in (*range(40, 101, 10), *range(129, 190, 10))}
    fitted = fit(probes_through(*((n, 1e6 * 1.002**k) for n, k in inner.items())))
    level = at(fitted, 100)[0]
    assert at(fitted, 129)[0] == level
    assert fitted.latency_ns[60:89] == pytest.approx(np.full(29, level), rel=0.005)


def test_two_probes_are_enough() -> None:
    fitted = fit(probes_through((1, 1e6), (2, 2e6)))
    assert fitted.latency_ns.tolist() == [1e6, 2e6]
    assert fitted.deviation_ns.tolist() == [0, 0]


def test_probes_of_a_flat_tread_are_drawn_together() -> None:
    """Each is surer with the others than alone, and all lie nearer the truth."""
    rng = np.random.default_rng(1)
    probes = [noisy(rng, count, 1e6, 0.005) for count in range(66, 128, 4)]
    fitted = fit(probes)
    alone = fitted.gaps.errors * fitted.gaps.centres
    assert np.all(at_probes(fitted, fitted.deviation_ns) < 0.95 * alone)
    seen = np.array([probe.centre_ns for probe in probes])
    left = at_probes(fitted, fitted.latency_ns) - 1e6
    assert np.mean(left**2) < 0.6 * np.mean((seen - 1e6) ** 2)


def test_noise_does_not_smear_a_step_that_was_located() -> None:
    rng = np.random.default_rng(2)
    counts = (1, 20, 40, 60, 64, 65, 70, 90, 110, 127)
    probes = [noisy(rng, n, 1e6 if n <= 64 else 1.3e6, 0.005) for n in counts]
    fitted = fit(probes)
    assert at(fitted, 64)[0] == pytest.approx(1e6, rel=0.01)
    assert at(fitted, 65)[0] == pytest.approx(1.3e6, rel=0.01)


@pytest.mark.parametrize(("slope", "bend"), [(0.0, 1e-5), (0.002, 1e-5), (0.001, 2e-5)])
def test_a_smooth_curve_is_known_to_a_tenth_of_a_per_cent(slope: float, bend: float) -> None:
    """From every eighth count up to 121."""
    counts = range(1, 122, 8)
    truth = 1e7 * (1 + slope * EVERY + bend * EVERY**2)
    fitted = fit(probes_through(*((n, float(truth[n - 1])) for n in counts)))
    assert fitted.latency_ns == pytest.approx(truth[:121], rel=1e-3)


def test_a_smooth_curve_bends_where_straight_lines_do_not() -> None:
    """Where no wide tile's edge is near, the error of straight lines is mostly gone."""
    counts = range(1, 130, 10)
    truth = 1e7 * (1 + 0.002 * EVERY + 2e-5 * EVERY**2)
    fitted = fit(probes_through(*((n, float(truth[n - 1])) for n in counts)))
    straight = np.interp(EVERY, counts, truth[:129:10])
    left, whole = (
        np.abs(curve[80:100] - truth[80:100]).max() for curve in (fitted.latency_ns, straight)
    )
    assert left < whole / 3


def test_where_kernels_alternate_a_count_between_is_doubtful() -> None:
    """It may be either kernel's; and both its neighbours are known."""
    points = [(n, 1.2e6 if n % 2 else 1e6) for n in (*range(64, 74), *range(75, 85))]
    fitted = fit(probes_through((1, 1e6), (40, 1e6), *points, (120, 1e6)))
    latency, deviation = at(fitted, 74)
    assert 1e6 < latency < 1.2e6
    assert deviation > 0.1 * 1e6
    assert at(fitted, 73) == (1.2e6, 0)


def planted(rng: np.random.Generator) -> Floats:
    """A random latency at every count: a slope, steps at edges of wide tiles, and others."""
    rises = np.zeros(FULL)
    for tile, likely, height in ((64, 0.8, 0.2), (32, 0.4, 0.05)):
        edges = np.arange(tile, FULL, tile)
        rises[edges] += (rng.random() < likely) * rng.uniform(0, height, len(edges))
    for _ in range(rng.poisson(2)):
        rises[rng.integers(1, FULL)] += rng.normal(0, 0.08)
    latency: Floats = 1e6 * np.exp(np.cumsum(rises)) * (1 + rng.uniform(0, 0.002) * EVERY)
    return latency


def spread_probes(rng: np.random.Generator, truth: Floats, noise: float) -> list[Measurement]:
    """Twenty spread evenly, and both sides of 64 and 128."""
    even = np.linspace(1, FULL, 20).round().astype(int).tolist()
    return [noisy(rng, n, truth[n - 1], noise) for n in sorted({*even, 64, 65, 128, 129})]


@pytest.mark.parametrize("noise", [0.0, 0.002, 0.01])
def test_the_truth_lies_below_the_bound_as_often_as_it_says(noise: float) -> None:
    """95 times in 100 for a normal error: 90 at least, and not by doubting everything."""
    rng = np.random.default_rng(20)
    below, doubts, misses = [], [], []
    for _ in range(60):
        truth = planted(rng)
        fitted = fit(spread_probes(rng, truth, noise))
        bound = fitted.latency_ns + 1.645 * fitted.deviation_ns
        below.append(truth <= bound + 1)  # readings are whole ns
        doubts.append(fitted.deviation_ns / truth)
        misses.append(np.abs(fitted.latency_ns / truth - 1))
    assert 0.9 <= np.mean(below) <= 1.0
    assert np.mean(doubts) < 4 * np.mean(misses)
    assert np.mean(misses) < 0.01


def samples(*of: Sequence[int]) -> list[Measurement]:
    return [Measurement(place, tuple(taken)) for place, taken in enumerate(of, start=1)]


def test_a_spread_of_zero_is_drawn_towards_the_usual_by_hand() -> None:
    """Spreads of 1.4826 x 10 / 1000 and 0: half the first is usual, and worth 4 samples.

    Five samples: sqrt((4 u^2 + 4 s^2) / 8) = 0.011721, over sqrt(5). Three alike:
    sqrt(4 u^2 / 6) = 0.0060527, over sqrt(3). One: u. Each times 1.2533.
    """
    wide, alike, one = samples([980, 990, 1000, 1010, 1020], [1000] * 3, [1000])
    assert standard_errors([wide, alike]).tolist() == pytest.approx(
        [0.0065695, 0.0043797], rel=1e-4
    )
    assert standard_errors([wide, alike, one])[2] == pytest.approx(0.0092907, rel=1e-4)


def test_single_samples_say_nothing_of_noise() -> None:
    assert standard_errors(samples([100], [200], [150])).tolist() == [0, 0, 0]


def test_readings_that_repeat_exactly_have_no_noise() -> None:
    assert standard_errors(samples([100] * 5, [200] * 3, [150])).tolist() == [0, 0, 0]


@given(
    taken=st.lists(
        st.lists(st.integers(1000, 1400), min_size=3, max_size=9), min_size=1, max_size=6
    )
)
def test_an_error_lies_between_the_probes_own_and_the_usual(taken: list[list[int]]) -> None:
    """And falls with the root of the samples; readings within 40 % are all steady."""
    probes = samples(*taken)
    usual = float(np.median([probe.spread for probe in probes]))
    for probe, error in zip(probes, standard_errors(probes).tolist(), strict=True):
        pooled = error * len(probe.samples_ns) ** 0.5 / 1.2533
        low, high = sorted((usual, probe.spread))
        assert low * (1 - 1e-9) <= pooled <= high * (1 + 1e-9)


def test_two_samples_say_nothing_of_the_usual_spread() -> None:
    """Their spread is half of how they differ, whatever the noise."""
    steady, pair, one = samples([980, 990, 1000, 1010, 1020], [1000, 1200], [1000])
    with_it, without = standard_errors([steady, pair, one]), standard_errors([steady, one])
    assert with_it[[0, 2]].tolist() == without.tolist()
    assert with_it[1] > without[0]


def test_interrupted_calls_are_no_noise() -> None:
    calm, slow = samples([1000, 1010, 1020], [1000, 1010, 1020, 10**9])
    both = standard_errors([calm, slow])
    assert both[0] == both[1] == pytest.approx(calm.relative_error)
