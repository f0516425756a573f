from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.gaps import STEPS, TILES, Gaps
from latmodel.roughness import MOVE, Roughness, find_zones, roughness
from tests.latmodel.planted import gaps_through

SPREAD = (1, 31, 32, 33, 50, 64, 65, 80, 96, 97, 110, 128, 129, 150, 160, 161, 192, 193, 197)
"""Pairs at the multiples of 32, and others between."""

Latency = Callable[[int], float]


def dense(latency: Latency, *, error: float = 0.0, stride: int = 1) -> Gaps:
    return gaps_through(*((n, latency(n)) for n in range(1, 198, stride)), error=error)


def spread(latency: Latency) -> Gaps:
    return gaps_through(*((n, latency(n)) for n in SPREAD))


def alternating(n: int) -> float:
    """A tenth more at odd counts from 51 to 61."""
    return 1100.0 if n % 2 and 51 <= n <= 61 else 1000.0


def stairs(n: int) -> float:
    """A tenth more after every 32 tokens."""
    return 1000 * 1.1 ** ((n - 1) // 32)


@st.composite
def any_gaps(draw: st.DrawFn) -> Gaps:
    counts = sorted(draw(st.sets(st.integers(1, 300), min_size=2, max_size=14)))
    latency = st.integers(1000, 3000)
    error = draw(st.sampled_from((0.0, 0.01)))
    return gaps_through(*((count, draw(latency)) for count in counts), error=error)


def test_a_zone_where_kernels_alternate_is_found() -> None:
    """Up and down by 100 about 1050; beyond 61 it is calm."""
    gaps = dense(alternating)
    ((*ends, height),) = find_zones(gaps)
    assert ends == [51, 62]
    assert height == pytest.approx(100 / 1050)


@pytest.mark.parametrize(
    "latency",
    [
        lambda n: 1000 + 10 * ((n - 1) // 8),
        lambda n: 1000 * (1 + 0.001 * n) * (1 + 0.05 * ((n - 1) // 8)),
        lambda n: 1000.0 if not 30 <= n < 34 else 1200.0,
        lambda n: 1000.0 if not 12 <= n < 17 else 1200.0,
        lambda n: 1000.0 if n % 2 else 1015.0,
        lambda n: 1000.0 if n % 100 < 50 else 1200.0,
    ],
    ids=[
        "staircase",
        "sloping staircase",
        "single pulse",
        "early pulse",
        "small moves",
        "far apart",
    ],
)
@pytest.mark.parametrize("stride", [1, 3])
def test_elsewhere_there_is_none(latency: Latency, stride: int) -> None:
    assert roughness(dense(latency, stride=stride)).zones == ()


def test_three_moves_make_a_zone_and_two_do_not() -> None:
    """A pulse, and a pulse with a step close behind it."""
    for latency, found in (
        (lambda n: 1200 if 12 <= n < 17 else 1000, 0),
        (lambda n: 1200 if 12 <= n < 17 or n > 20 else 1000, 1),
    ):
        gaps = dense(latency)
        assert len(find_zones(gaps)) == found


def test_a_curve_that_only_rises_has_no_zone() -> None:
    """However unevenly: no kernel alternates with another where nothing ever falls."""
    uneven = (1.19, 2.59, 4.34, 5.53, 6.62, 8.08, 9.31, 11.1, 12.9, 14.9, 16.7)
    counts = (9, 18, 20, 27, 37, 39, 44, 46, 52, 53, 60)
    gaps = gaps_through(*zip(counts, uneven, strict=True))
    assert roughness(gaps).zones == ()


def test_what_noise_explains_is_no_zone() -> None:
    """Three standard errors of a difference of 2 % each are 8.5 %, of 3 % each 12.7 %."""
    for error, found in ((0.0, 1), (0.02, 1), (0.03, 0)):
        gaps = dense(alternating, error=error)
        assert len(find_zones(gaps)) == found


def test_a_step_beside_a_zone_does_not_count_to_its_height() -> None:
    """Twice as slow from 51 on; inside it still moves by a tenth."""
    gaps = dense(lambda n: alternating(n) * (1 if n < 62 else 2))
    ((*ends, height),) = find_zones(gaps)
    assert ends == [51, 60]
    assert height == pytest.approx(100 / 1050)


@given(gaps=any_gaps())
def test_zones_lie_apart_between_probes_and_the_same_upside_down(gaps: Gaps) -> None:
    zones = find_zones(gaps)
    # Where a curve rises by a share of its middle, its reciprocal falls by the same.
    mirrored = find_zones(Gaps(gaps.counts, 1e9 / gaps.centres, gaps.errors))
    assert [zone[:2] for zone in zones] == [zone[:2] for zone in mirrored]
    assert [zone[2] for zone in zones] == pytest.approx([zone[2] for zone in mirrored])
    ends = [end for first, last, _ in zones for end in (first, last)]
    assert ends == sorted(ends)
    assert set(ends) <= set(gaps.counts.tolist())
    assert all(height >= MOVE and first < last for first, last, height in zones)


def test_single_counts_scatter_in_a_zone_only() -> None:
    """By half a move about their middle."""
    gaps = dense(alternating)
    rough = roughness(gaps)
    inside = (gaps.counts[:-1] >= 51) & (gaps.counts[1:] <= 62)
    assert np.sqrt(rough.scatter[inside]) == pytest.approx(np.full(11, 50 / 1050), rel=0.01)
    assert np.sqrt(rough.scatter[~inside]).max() < 0.002


def test_steps_after_multiples_of_32_are_learnt() -> None:
    """A tenth each: six times the start, and next to nothing for narrower tiles."""
    planted = np.sqrt(roughness(spread(stairs)).tiles)
    assert planted[TILES >= 32].max() == pytest.approx(0.065, abs=0.02)
    assert planted[TILES == 32] > 4 * STEPS[TILES == 32] / np.sqrt(2)
    assert planted[TILES < 32].max() < 0.005


def test_pairs_without_a_step_take_a_tiles_step_away() -> None:
    """The more of them, the more of it."""
    start = (STEPS**2 / 2)[TILES == 64]
    one = gaps_through((1, 1000.0), (64, 1000.0), (65, 1000.0), (100, 1000.0))
    few = roughness(one).tiles[TILES == 64]
    more = roughness(spread(lambda _: 1000.0)).tiles[TILES == 64]
    assert more < few / 3 < start / 3


def test_a_step_at_64_says_nothing_of_multiples_of_16_alone() -> None:
    """48 and 80 have none."""
    tiles = roughness(spread(lambda n: 1000 * 1.1 ** ((n - 1) // 64))).tiles
    assert tiles[TILES == 64] > 100 * tiles[TILES == 32] > 0
    assert tiles[TILES == 16] < (STEPS**2 / 2)[TILES == 16]


def test_wandering_grows_beside_what_wanders_and_not_far_from_it() -> None:
    """Nine uneven moves between 81 and 121, off the edges of wide tiles."""
    moves = dict(zip(range(85, 122, 4), (3, -1, 2, 4, 0, 3, 2, 5, 1, 2), strict=True))
    latency, points = 1000.0, []
    for n in range(1, 198, 4):
        latency *= 1 + moves.get(n, 0) / 100
        points.append((n, latency))
    gaps = gaps_through(*points)
    wandering = np.sqrt(roughness(gaps).wandering)
    inside = (gaps.middles > 89) & (gaps.middles < 117)
    beside = (gaps.middles > 121) & (gaps.middles < 126)
    far = (gaps.middles < 60) | (gaps.middles > 150)
    assert wandering[inside].min() > 2 * wandering[far].max()
    assert wandering[inside].max() > wandering[beside].min() > 1.2 * wandering[far].max()


def test_variance_adds_up_tokens_and_edges_by_hand() -> None:
    """60 to 66 crosses the edge after 64, which is one of tiles of 8, 16, 32 and 64."""
    zero = np.zeros(1)
    rough = Roughness(
        slopes=zero,
        steps=zero,
        wandering=np.array([0.001]),
        tiles=np.array([1e-4, 2e-4, 4e-4, 8e-4, 16e-4]),
        means=np.zeros(5),
        scatter=zero,
        zones=(),
    )
    gaps = gaps_through((60, 1.0), (66, 1.0))
    assert rough.variances(gaps).tolist() == pytest.approx([6 * 0.001 + 15e-4])


def test_steps_are_what_noise_and_slopes_leave() -> None:
    """A step of 10 % at 100 is seen whole; through noise of 20 % nothing is."""
    gaps = dense(lambda n: 1000 * 1.001**n * (1.1 if n > 100 else 1))
    steps = roughness(gaps).steps
    assert steps.argmax() == 99
    assert steps[99] == pytest.approx(0.1 / 1.05, rel=0.05)
    assert np.delete(steps, 99).max() < 0.001
    noisy = dense(lambda n: 1000 * (1.1 if n > 100 else 1), error=0.2)
    assert roughness(noisy).steps.max() == 0


@given(gaps=any_gaps(), power=st.integers(-8, 8))
def test_roughness_is_positive_and_free_of_the_unit(gaps: Gaps, power: int) -> None:
    """Powers of two leave a float's digits as they are."""
    ours = roughness(gaps)
    other = roughness(Gaps(gaps.counts, gaps.centres * 2.0**power, gaps.errors))
    for values, same in (
        (ours.wandering, other.wandering),
        (ours.tiles, other.tiles),
        (ours.scatter, other.scatter),
    ):
        assert np.all(values > 0)
        assert values.tolist() == same.tolist()
    assert ours.steps.tolist() == other.steps.tolist()
    assert ours.zones == other.zones
