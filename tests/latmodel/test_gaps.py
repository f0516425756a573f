from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.gaps import STEPS, TILES, Gaps
from tests.latmodel.planted import gaps_through

counts = st.sets(st.integers(1, 700), min_size=2, max_size=20).map(sorted)

PAPER = gaps_through((60, 90.0), (64, 110.0), (65, 150.0), (129, 50.0))
"""Up 20 about 100, up 40 about 130, and down 100 about 100."""


def test_gaps_by_hand() -> None:
    assert PAPER.widths.tolist() == [4, 1, 64]
    assert PAPER.middles.tolist() == [62, 64.5, 97]
    assert PAPER.levels.tolist() == [100, 130, 100]
    assert PAPER.rises.tolist() == pytest.approx([0.2, 40 / 130, -1.0])


def test_a_step_after_a_multiple_belongs_to_the_gap_that_starts_there() -> None:
    """60 to 64 crosses no edge of 64, 64 to 65 one, 65 to 129 the one after 128."""
    assert TILES.tolist() == [8, 16, 32, 64, 128]
    assert PAPER.edges.tolist() == [[0, 0, 0, 0, 0], [1, 1, 1, 1, 0], [8, 4, 2, 1, 1]]


@given(counts=counts)
def test_edges_are_those_that_counting_finds(counts: list[int]) -> None:
    """Oracle: look at every count of every gap."""
    found = gaps_through(*((count, 1.0) for count in counts)).edges.tolist()
    for gap, (start, stop) in enumerate(pairwise(counts)):
        for place, tile in enumerate(TILES.tolist()):
            crossed = sum(1 for count in range(start, stop) if count % tile == 0)
            assert found[gap][place] == crossed


def test_noise_of_a_rise_is_that_of_both_its_probes() -> None:
    """3 % and 4 % make 5 %: variances add up."""
    gaps = Gaps(np.array([1, 2, 5]), np.array([9.0, 9.0, 9.0]), np.array([0.03, 0.04, 0.0]))
    assert gaps.noise.tolist() == pytest.approx([0.05**2, 0.04**2])


def test_distances_lie_between_the_middles() -> None:
    assert PAPER.distances().tolist() == [[0, 2.5, 35], [2.5, 0, 32.5], [35, 32.5, 0]]


@given(counts=counts, data=st.data(), power=st.integers(-20, 20))
def test_rises_are_free_of_the_unit(counts: list[int], data: st.DataObject, power: int) -> None:
    """Powers of two leave a float's digits as they are."""
    latency = st.floats(1, 1e6)
    centres = [data.draw(latency) for _ in counts]
    ours = gaps_through(*zip(counts, centres, strict=True))
    other = gaps_through(*zip(counts, (2.0**power * ns for ns in centres), strict=True))
    assert other.rises.tolist() == ours.rises.tolist()


def test_a_typical_step_is_known_for_every_tile() -> None:
    assert STEPS.shape == TILES.shape
    assert np.all(np.diff(STEPS) > 0)
