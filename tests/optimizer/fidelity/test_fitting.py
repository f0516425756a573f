"""The fit: monotone, through what agrees, and the best monotone one through what does not."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.fidelity.damage import BlockDamage
from optimizer.fidelity.fitting import fit_damage
from tests.optimizer.fidelity.tables import block, table

EVERY = np.arange(1, 18)


def isotonic(damage: list[float], errors: list[float]) -> np.ndarray:
    """The falling sequence nearest to these means, by trying every way to pool neighbours."""
    weights, best = 1 / np.square(errors), (np.inf, np.zeros(len(damage)))
    inner = range(1, len(damage))
    for many in range(len(damage)):
        for cuts in combinations(inner, many):
            parts = np.split(np.arange(len(damage)), cuts)
            means = [np.average(np.take(damage, p), weights=weights[p]) for p in parts]
            if any(b > a for a, b in pairwise(means)):
                continue
            fit = np.repeat(means, [len(p) for p in parts])
            best = min(
                best, (float(np.sum(weights * (fit - damage) ** 2)), fit), key=lambda b: b[0]
            )
    return best[1]


@settings(deadline=None)  # the first call imports
@given(st.lists(st.tuples(st.floats(0.01, 5), st.floats(0.05, 1)), min_size=2, max_size=6))
def test_means_that_rise_are_pooled_by_their_errors(pairs: list[tuple[float, float]]) -> None:
    """At the counts measured, the fit is the monotone one of least weighted squares."""
    damage, errors = [d for d, _ in pairs], [e for _, e in pairs]
    counts = tuple(range(2, 2 + 2 * len(pairs), 2))
    made = table(BlockDamage(counts, tuple(damage), tuple(errors)))
    fitted = fit_damage(made, np.array(counts))
    np.testing.assert_allclose(fitted[0], isotonic(damage, errors), rtol=1e-9, atol=1e-12)


@settings(deadline=None)  # the first call imports
@given(st.lists(st.floats(0, 5), min_size=1, max_size=3), st.floats(0, 1))
def test_it_falls_everywhere_and_ends_at_zero(damage: list[float], error: float) -> None:
    fitted = fit_damage(table(block(*damage, error=error)), EVERY)[0]
    assert np.all(np.diff(fitted) <= 1e-12)
    assert fitted[-1] == 0
    assert np.all(fitted >= 0)
    assert np.all(fitted <= max(damage) + 1e-12)


def test_what_falls_already_is_kept_and_joined_between() -> None:
    fitted = fit_damage(table(), EVERY)
    np.testing.assert_allclose(fitted[0, [1, 4, 8, 16]], [3, 1, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose(fitted[1, [1, 4, 8, 16]], [2, 0.5, 0.1, 0], atol=1e-12)
    assert 1 < fitted[0, 2] < 3
    assert 0 < fitted[0, 12] < 0.5


def test_below_the_least_count_it_is_that_of_the_least() -> None:
    assert fit_damage(table(), np.array([1]))[0, 0] == pytest.approx(3)


def test_a_mean_that_all_images_agree_on_does_not_outweigh_the_rest_without_end() -> None:
    """An error of zero is raised to a thousandth of the damage, and pooled as that."""
    made = table(BlockDamage((2, 5), (1.0, 2.0), (0.0, 0.002)))
    fitted = fit_damage(made, np.array([2, 5]))[0]
    np.testing.assert_allclose(fitted, 1.5)  # the least error is 0.002 as well


def test_a_block_that_costs_nothing() -> None:
    assert fit_damage(table(block(0.0, 0.0, error=0.0)), EVERY).tolist() == [[0.0] * 17]
