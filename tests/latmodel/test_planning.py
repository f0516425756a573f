from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.measurement import Measurement
from latmodel.planning import first_counts, next_count

ascending = st.sets(st.integers(1, 600), min_size=2, max_size=80).map(sorted)


def probed(*points: tuple[int, int]) -> list[Measurement]:
    return [Measurement(count, (latency,)) for count, latency in points]


@given(tokens=ascending, most=st.integers(2, 40))
def test_first_come_the_ends_then_both_sides_of_wide_tiles(
    tokens: list[int], most: int
) -> None:
    """Distinct counts of interest, about a quarter of the probes, the ends at least."""
    chosen = first_counts(tokens, most)
    assert chosen[:2] == (tokens[-1], tokens[0])
    assert set(chosen) <= set(tokens)
    assert len(set(chosen)) == len(chosen) <= max(2, most // 4) + 1
    assert all(count % 64 in (0, 1) for count in chosen[2:])


@pytest.mark.parametrize(
    ("most", "chosen"),
    [
        (2, (197, 1)),
        (7, (197, 1, 128)),
        (16, (197, 1, 128, 129, 64)),
        (24, (197, 1, 128, 129, 64, 65, 192)),
        (40, (197, 1, 128, 129, 64, 65, 192, 193)),
    ],
)
def test_wide_tiles_are_tried_before_narrow_ones(most: int, chosen: tuple[int, ...]) -> None:
    assert first_counts(range(1, 198), most) == chosen


def test_a_single_count_is_probed_once() -> None:
    assert first_counts([50], 24) == (50,)


@given(data=st.data(), tokens=ascending)
def test_the_next_count_is_of_interest_and_new_until_none_is_left(
    data: st.DataObject, tokens: list[int]
) -> None:
    inner = data.draw(st.sets(st.sampled_from(tokens)))
    counts = sorted(inner | {tokens[0], tokens[-1]})
    latency = st.integers(1, 10**9)
    probes = probed(*((count, data.draw(latency)) for count in counts))
    following = next_count(tokens, probes)
    if following is None:
        assert counts == tokens
    else:
        assert following in set(tokens) - set(counts)


@pytest.mark.parametrize(
    ("points", "either"),
    [
        # Equal everywhere but in (100, 140), where 128 is the widest tile's edge.
        (((1, 50), (60, 50), (100, 50), (140, 90), (197, 90)), {128, 129}),
        # Once 129 is known to lie after the step, the count before it decides.
        (((1, 50), (60, 50), (100, 50), (129, 90), (140, 90), (197, 90)), {128}),
        # A drop tells as much as a rise.
        (((1, 50), (60, 50), (100, 50), (140, 20), (197, 20)), set(range(101, 140))),
        # No tile's edge between 101 and 103: the middle.
        (((1, 50), (60, 50), (101, 50), (103, 90), (197, 90)), {102}),
    ],
)
def test_a_suspected_step_is_bracketed(
    points: tuple[tuple[int, int], ...], either: set[int]
) -> None:
    assert next_count(range(1, 198), probed(*points), len(points) + 5) in either


def test_a_wide_gap_is_halved_at_a_tiles_edge_while_probes_are_many() -> None:
    """Of 24 probes 4 are spent: no stretch of 157 counts is left unseen."""
    calm = probed((1, 50), (20, 50), (40, 50), (197, 50))
    assert next_count(range(1, 198), calm, 24) == 128


def test_a_flat_tread_is_not_measured_twice() -> None:
    """Equal at both ends: the gap with the step comes first, however narrow."""
    points = ((1, 50), (40, 50), (80, 50), (120, 50), (150, 50), (156, 90), (197, 90))
    assert 150 < (next_count(range(1, 198), probed(*points), 9) or 0) < 156


def test_a_rise_within_the_noise_is_no_step() -> None:
    """Probes that scatter by as much as they differ tell nothing; the wide gap comes first."""
    noisy = [
        Measurement(1, (100, 101, 99)),
        Measurement(9, (100, 120, 145)),
        Measurement(19, (110, 130, 160)),
        Measurement(197, (120, 121, 119)),
    ]
    assert 19 < (next_count(range(1, 198), noisy, 24) or 0) < 197


def test_the_last_probe_proves_what_a_solver_would_choose() -> None:
    """A fall between 62 and 64 tokens, where no plan goes, is worth bracketing only before."""
    readings = {1: 100, 8: 100, 16: 100, 24: 100, 32: 101, 40: 150, 48: 150, 56: 151, 60: 150}
    readings |= {62: 151, 64: 102, 80: 112, 96: 122, 112: 132, 128: 142, 136: 147, 144: 152}
    readings |= {152: 157, 160: 162, 176: 172, 184: 177, 192: 182, 197: 185}
    probes = probed(*readings.items())
    assert next_count(range(1, 198), probes, 44) == 63
    # From 64 on each token costs the same and least: any count there may serve a plan.
    assert 64 < (next_count(range(1, 198), probes, 24) or 0) < 197
