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
def test_first_come_the_ends_then_pairs_of_neighbours(tokens: list[int], most: int) -> None:
    """Distinct counts of interest, half of the probes at most; a step needs both its sides."""
    chosen = first_counts(tokens, most)
    assert chosen[:2] == (tokens[0], tokens[-1])
    assert set(chosen) <= set(tokens)
    assert len(set(chosen)) == len(chosen) <= max(2, most // 2)
    assert all(
        edge + 1 == after for edge, after in zip(chosen[2::2], chosen[3::2], strict=True)
    )
    assert all(edge % 8 == 0 for edge in chosen[2::2])


@pytest.mark.parametrize(
    ("most", "chosen"),
    [
        (2, (1, 197)),
        (7, (1, 197)),
        (8, (1, 197, 128, 129)),
        (24, (1, 197, 128, 129, 64, 65, 192, 193, 32, 33, 96, 97)),
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
    ("points", "following"),
    [
        # Equal everywhere but in (100, 140): the widest tile's edge there is 128.
        (((1, 50), (60, 50), (100, 50), (140, 90), (197, 90)), 128),
        # Once 128 is known to lie before the step, the count after it decides.
        (((1, 50), (60, 50), (100, 50), (128, 50), (140, 90), (197, 90)), 129),
        # A drop tells as much as a rise.
        (((1, 50), (60, 50), (100, 50), (140, 20), (197, 20)), 128),
        # No multiple of 8 between 101 and 103: the middle.
        (((1, 50), (60, 50), (101, 50), (103, 90), (197, 90)), 102),
        # Nothing unexplained: the widest gap, at its widest tile.
        (((1, 50), (20, 50), (40, 50), (197, 50)), 128),
    ],
)
def test_the_gap_that_hides_most_is_halved_next(
    points: tuple[tuple[int, int], ...], following: int
) -> None:
    assert next_count(range(1, 198), probed(*points)) == following


def test_a_rise_within_the_noise_is_no_step() -> None:
    """Probes that scatter by as much as they differ tell nothing; the wide gap comes first."""
    noisy = [
        Measurement(1, (100,)),
        Measurement(9, (100, 120, 145)),
        Measurement(19, (110, 130, 160)),
        Measurement(197, (120,)),
    ]
    assert next_count(range(1, 198), noisy) == 128
