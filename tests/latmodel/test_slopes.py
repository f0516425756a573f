from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.gaps import Floats, Gaps
from latmodel.slopes import explain_rises
from tests.latmodel.planted import gaps_through

PER_TOKEN = math.log(1.0005)
"""How much `growth` grows per token."""


def growth(counts: range, *, step_after: int = 10**6) -> Gaps:
    """Latency that grows by a twentieth of a per cent per token, with a step of 30 %."""
    return gaps_through(*((n, 1000 * 1.0005**n * (1 + 0.3 * (n > step_after))) for n in counts))


def explain(gaps: Gaps, expected: float = 0.0) -> tuple[Floats, Floats]:
    """With the same step expected in each gap, and little doubt about its rise."""
    size = len(gaps.widths)
    return explain_rises(gaps, np.full(size, expected), np.full(size, 1e-9))


@st.composite
def uncertain(draw: st.DrawFn) -> tuple[Gaps, Floats, Floats]:
    """Any few gaps, any steps at the edges they cross, and any variances."""
    counts = sorted(draw(st.sets(st.integers(1, 200), min_size=2, max_size=9)))
    gaps = gaps_through(*((count, draw(st.floats(100, 1000))) for count in counts))
    size = len(counts) - 1
    expected = draw(st.lists(st.floats(-0.2, 0.2), min_size=size, max_size=size))
    variances = draw(st.lists(st.floats(1e-4, 1e-1), min_size=size, max_size=size))
    return gaps, np.array(expected), np.array(variances)


def by_multiplying(
    gaps: Gaps, expected: Floats, variances: Floats
) -> tuple[list[float], list[float]]:
    """Oracle: for each gap and slope the product of all other gaps' Cauchy likelihoods."""
    rises, widths, every = gaps.rises, gaps.widths, range(len(gaps.widths))
    reach = max(0.15 * float(gaps.counts[-1] - gaps.counts[0]), 1.0)
    candidates = {0.0, *(rises / widths).tolist(), *((rises - expected) / widths).tolist()}
    slopes, squares = [], []
    for gap in every:
        total = rise = square = 0.0
        for slope in candidates:
            likelihood = 1.0
            for other in every:
                if other != gap:
                    miss = rises[other] - slope * widths[other] - expected[other]
                    near = math.exp(-abs(gaps.middles[other] - gaps.middles[gap]) / reach)
                    likelihood *= (1 + miss**2 / variances[other]) ** -near
            # All of its rise and 6 % of latency more, either way, and no further.
            explained = max(slope * widths[gap], min(rises[gap], 0.0) - 0.06)
            explained = min(explained, max(rises[gap], 0.0) + 0.06)
            total += likelihood
            rise += likelihood * explained
            square += likelihood * (rises[gap] - explained) ** 2
        slopes.append(rise / total / widths[gap])
        squares.append(square / total)
    return slopes, squares


@given(case=uncertain())
def test_slopes_agree_with_multiplying_likelihoods(case: tuple[Gaps, Floats, Floats]) -> None:
    slopes, squares = explain_rises(*case)
    expected_slopes, expected_squares = by_multiplying(*case)
    assert slopes == pytest.approx(expected_slopes, rel=1e-8, abs=1e-10)
    assert squares == pytest.approx(expected_squares, rel=1e-8, abs=1e-10)


def test_steady_growth_is_a_slope_and_nothing_else() -> None:
    slopes, squares = explain(growth(range(1, 200, 10)))
    assert slopes == pytest.approx(np.full(19, PER_TOKEN), rel=1e-4)
    assert squares.max() < 1e-9


def test_a_straight_line_is_explained() -> None:
    """Its rise per token, as a fraction of the level, falls as the level rises."""
    gaps = gaps_through(*((n, 1000 + 0.1 * n) for n in range(1, 200, 10)))
    slopes, squares = explain(gaps)
    assert slopes == pytest.approx(0.1 / gaps.levels, rel=0.01)
    assert squares.max() < 1e-9


def test_no_rise_is_no_slope() -> None:
    slopes, squares = explain(gaps_through((1, 50.0), (9, 50.0), (30, 50.0)))
    assert slopes.tolist() == squares.tolist() == [0, 0]


@pytest.mark.parametrize("stride", [10, 1], ids=["19 gaps", "198 gaps"])
def test_one_great_step_bends_no_slope_and_is_left_to_explain(stride: int) -> None:
    """With few gaps, and with more of them than candidates are tried."""
    gaps = growth(range(1, 200, stride), step_after=100)
    slopes, squares = explain(gaps)
    assert slopes == pytest.approx(np.full(len(slopes), PER_TOKEN), rel=1e-3)
    place = int(gaps.rises.argmax())
    step = gaps.rises[place] - stride * PER_TOKEN
    assert squares[place] == pytest.approx(step**2, rel=1e-3)
    assert np.delete(squares, place).max() < 1e-8


def test_a_slope_may_change_along_the_way() -> None:
    """A flat, launch-bound start and a rising end; each is told by those near it."""
    slopes, _ = explain(
        gaps_through(*((n, 1000 * 1.002 ** max(n - 300, 0)) for n in range(1, 602, 10)))
    )
    assert np.abs(slopes[:20]).max() < 1e-6
    assert slopes[-20:] == pytest.approx(np.full(20, math.log(1.002)), rel=1e-3)


def test_a_gap_alone_may_be_a_slope_or_a_step() -> None:
    """A rise of 20 about 110: half its slope is expected, half its square unexplained."""
    slopes, squares = explain(gaps_through((1, 100.0), (5, 120.0)))
    rise = 20 / 110
    assert slopes.tolist() == pytest.approx([rise / 4 / 2])
    assert squares.tolist() == pytest.approx([rise**2 / 2])


def test_a_staircase_seen_from_far_is_no_slope_where_its_steps_are_expected() -> None:
    gaps = gaps_through(*((64 * k, 1000 * 1.1**k) for k in range(1, 9)))
    blind, _ = explain(gaps)
    assert blind == pytest.approx(gaps.rises / 64, rel=1e-4)
    told, squares = explain(gaps, expected=float(gaps.rises[0]))
    assert told == pytest.approx(np.zeros(7), abs=1e-6)
    assert squares == pytest.approx(gaps.rises**2, rel=1e-3)


def test_the_slope_of_a_step_is_not_expected_of_a_wide_gap() -> None:
    """64 to 65 rises by 0.2: that slope over 100 tokens would hide a fall of 20."""
    _, squares = explain(gaps_through((64, 900.0), (65, 1100.0), (165, 1100.0)))
    assert squares[1] <= 0.06**2 * (1 + 1e-9)
