"""Which ends of schedules no other beats, against looking at every pair."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solvers.labels import Labels, unbeaten

_END = st.tuples(
    st.sampled_from((0, 1, 2, 300)),
    st.sampled_from((0, 1, 2, 3, 1 << 58)),
    st.sampled_from((-(1 << 58), -1, 0, 1, 2, 1 << 58)),
    st.integers(0, 2),
)
"""State, latency, value and column; some so large that no two fit one number."""


def _unbeaten(ends: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """One of each pair that is equal in all but the column: that of the largest."""
    kept = {
        end
        for end in ends
        if not any(
            one[0] == end[0]
            and one[1] <= end[1]
            and one[2] >= end[2]
            and (one[1:3] != end[1:3] or one[3] > end[3])
            for one in ends
        )
    }
    return sorted(kept)


@settings(max_examples=500, deadline=None)
@given(ends=st.lists(_END, min_size=1, max_size=40))
def test_labels_are_those_that_no_other_beats(ends: list[tuple[int, int, int, int]]) -> None:
    """Ordered by state, then latency; every one still has its own place."""
    state, latency, value, column = (np.array(numbers) for numbers in zip(*ends, strict=True))
    found = unbeaten(Labels(state, latency, value, column, np.arange(len(ends)), column))
    numbers = (found.state, found.latency_ns, found.value, found.column)
    assert list(zip(*(each.tolist() for each in numbers), strict=True)) == _unbeaten(ends)
    assert [ends[place] for place in found.rest.tolist()] == _unbeaten(ends)
