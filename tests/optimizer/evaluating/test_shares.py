"""Intervals against scipy's, and against their own definition solved another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binomtest, norm

from optimizer.errors import EvaluationError
from optimizer.evaluating.shares import Change, Share


@st.composite
def changes(draw: st.DrawFn, most: int = 300) -> Change:
    total = draw(st.integers(1, most))
    lost = draw(st.integers(0, total))
    return Change(lost, draw(st.integers(0, total - lost)), total)


@given(st.integers(1, 2000), st.data())
def test_the_interval_of_a_share_is_scipys(total: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, total))
    wanted = binomtest(hits, total).proportion_ci(method="wilson")
    share = Share(hits, total)
    assert share.interval == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert 0 <= share.interval[0] <= share.rate <= share.interval[1] <= 1


def score(change: Change, difference: float) -> float:
    """Tango's, its nuisance share found by search instead of by formula."""
    lost, gained, n = change.lost, change.gained, change.total

    def unlikely(share: float) -> float:
        cells = ((gained, share + difference), (lost, share))
        rest = (n - gained - lost, 1 - 2 * share - difference)
        return -sum(k * math.log(p) for k, p in (*cells, rest) if k)

    low, high = max(0.0, -difference), (1 - difference) / 2
    found = minimize_scalar(
        unlikely, bounds=(low + 1e-12, high - 1e-12), method="bounded", options={"xatol": 1e-13}
    )
    variance = (2 * found.x + difference - difference**2) / n
    return float((change.rate - difference) / math.sqrt(variance))


@pytest.mark.parametrize(
    "change", [Change(12, 4, 500), Change(3, 9, 32), Change(86, 150, 1600)]
)
def test_the_interval_of_a_change_is_where_its_score_test_turns(change: Change) -> None:
    z = norm.ppf(0.975)
    low, high = change.interval
    wanted_low = brentq(lambda end: score(change, end) - z, -0.9, change.rate - 1e-9)
    wanted_high = brentq(lambda end: score(change, end) + z, change.rate + 1e-9, 0.9)
    assert (low, high) == pytest.approx((wanted_low, wanted_high), abs=1e-5)


def test_without_a_change_it_is_as_wide_as_chance() -> None:
    """By hand: with no change, the score of a difference d is sqrt(n d / (1 - d))."""
    squared = norm.ppf(0.975) ** 2
    wanted = squared / (100 + squared)
    assert Change(0, 0, 100).interval == pytest.approx((-wanted, wanted))


@given(changes())
def test_a_change_the_other_way_has_the_interval_the_other_way(change: Change) -> None:
    low, high = change.interval
    other = Change(change.gained, change.lost, change.total)
    assert other.rate == -change.rate
    assert other.interval == pytest.approx((-high, -low), abs=1e-9)
    assert -1 <= low <= change.rate <= high <= 1


@given(changes())
def test_zero_is_outside_where_mcnemars_test_refuses_it(change: Change) -> None:
    changed = change.lost + change.gained
    low, high = change.interval
    if changed:
        statistic = abs(change.gained - change.lost) / math.sqrt(changed)
        assert (low <= 0 <= high) == (statistic <= norm.ppf(0.975))


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    """Fixed draws of a model that loses 4 % and gains 2 %: 95 % of 1000, to 2 %."""
    draws = np.random.default_rng(0).multinomial(250, (0.04, 0.02, 0.94), size=1000)
    covered = 0
    for lost, gained, _ in draws:
        low, high = Change(int(lost), int(gained), 250).interval
        covered += low <= -0.02 <= high
    assert 930 <= covered <= 970


@pytest.mark.parametrize(("hits", "total"), [(3, 2), (-1, 2), (0, 0)])
def test_what_is_no_share_is_refused(hits: int, total: int) -> None:
    with pytest.raises(EvaluationError) as caught:
        Share(hits, total)
    assert str(caught.value) == f"{hits} of {total} images is no share of them"


@pytest.mark.parametrize(("lost", "gained", "total"), [(2, 1, 2), (-1, 1, 2), (0, 0, 0)])
def test_what_is_no_change_is_refused(lost: int, gained: int, total: int) -> None:
    with pytest.raises(EvaluationError) as caught:
        Change(lost, gained, total)
    assert str(caught.value) == (
        f"{lost} lost and {gained} gained of {total} images contradict each other"
    )
