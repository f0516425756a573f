from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from latmodel.label_lanes import label_lanes, rightmost_end

LENGTHS = st.floats(1, 300)
NAMES = st.lists(st.tuples(st.floats(0, 1000), LENGTHS), max_size=12).map(sorted)


@given(names=NAMES)
def test_no_name_covers_another_or_its_pole(names: list[tuple[float, float]]) -> None:
    """A pole ends at its own name; within a name's width, only lower poles rise."""
    places = [place for place, _ in names]
    lanes = label_lanes(places, [width for _, width in names])
    for left, right in combinations(range(len(names)), 2):
        if places[right] < places[left] + names[left][1]:
            assert lanes[left] > lanes[right]


def test_names_that_are_far_apart_share_the_lowest_lane() -> None:
    assert label_lanes([0, 100, 200], [50, 50, 50]) == (0, 0, 0)
    assert label_lanes([], []) == ()


def test_each_of_a_crowd_has_a_lane_and_the_next_begins_below_again() -> None:
    assert label_lanes([0, 1, 2, 60], [50, 50, 50, 50]) == (2, 1, 0, 0)


@given(
    names=st.lists(st.tuples(st.floats(0, 1), LENGTHS), max_size=12),
    left=st.floats(0, 100),
)
def test_every_name_ends_before_the_limit_and_one_touches_it(
    names: list[tuple[float, float]], left: float
) -> None:
    limit = 1200.0
    right = rightmost_end([s for s, _ in names], [w for _, w in names], left, limit)
    ends = [left + share * (right - left) + width for share, width in names]
    assert right <= limit
    assert all(end <= limit + 1e-6 for end in ends)
    assert right == limit or max(ends) > limit - 1e-6
