from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.gaps import Floats
from latmodel.smoothing import smooth

variance = st.floats(1e-2, 1e2)


@st.composite
def walks(draw: st.DrawFn) -> tuple[Floats, Floats, Floats, Floats]:
    """What was seen, its noise (none at some probes), and the walk's drift and spread."""
    size = draw(st.integers(1, 25))
    value = st.floats(-100, 100)

    def some(of: st.SearchStrategy[float], many: int) -> Floats:
        return np.array(draw(st.lists(of, min_size=many, max_size=many)), dtype=np.float64)

    noise = some(st.just(0.0) | variance, size)
    return some(value, size), noise, some(value, size - 1), some(variance, size - 1)


def posterior(
    seen: Floats, noise: Floats, drift: Floats, spread: Floats
) -> tuple[Floats, Floats]:
    """Oracle: mean (P,) and covariance (P, P) by solving the dense information form.

    A probe without noise is a constant, which the others are conditioned on.
    """
    size = len(seen)
    information, pull = np.zeros((size, size)), np.zeros(size)
    for i, (move, square) in enumerate(zip(drift, spread, strict=True)):
        information[i : i + 2, i : i + 2] += np.array([[1, -1], [-1, 1]]) / square
        pull[i : i + 2] += np.array([-move, move]) / square
    unknown, known = np.flatnonzero(noise > 0), np.flatnonzero(noise == 0)
    for i in unknown.tolist():
        information[i, i] += 1 / noise[i]
        pull[i] += seen[i] / noise[i]
    mean, covariance = seen.copy(), np.zeros((size, size))
    inner = information[np.ix_(unknown, unknown)]
    pull = pull[unknown] - information[np.ix_(unknown, known)] @ seen[known]
    mean[unknown] = np.linalg.solve(inner, pull)
    covariance[np.ix_(unknown, unknown)] = np.linalg.solve(inner, np.eye(len(unknown)))
    return mean, covariance


def test_two_probes_by_hand() -> None:
    """0 and 4 seen, noise 1, a walk of 2: information ((3, -1), (-1, 3)) / 2."""
    mean, var, ahead = smooth(np.array([0.0, 4.0]), np.ones(2), np.zeros(1), np.array([2.0]))
    assert mean.tolist() == pytest.approx([1, 3])
    assert var.tolist() == pytest.approx([0.75, 0.75])
    assert ahead.tolist() == pytest.approx([0.25])


def test_a_rise_that_was_expected_is_left_alone() -> None:
    mean, *_ = smooth(np.array([0.0, 4.0]), np.ones(2), np.array([4.0]), np.array([2.0]))
    assert mean.tolist() == pytest.approx([0, 4])


@given(walk=walks())
def test_smoothing_agrees_with_the_dense_posterior(
    walk: tuple[Floats, Floats, Floats, Floats],
) -> None:
    mean, var, ahead = smooth(*walk)
    truth, covariance = posterior(*walk)
    size = max(np.abs(truth).max(), np.abs(walk[0]).max(), 1.0)
    assert mean == pytest.approx(truth, rel=1e-8, abs=1e-8 * size)
    assert var == pytest.approx(covariance.diagonal(), rel=1e-8)
    assert ahead == pytest.approx(covariance.diagonal(1), rel=1e-8)


@given(walk=walks())
def test_a_probe_without_noise_is_what_was_seen(
    walk: tuple[Floats, Floats, Floats, Floats],
) -> None:
    """And says all about itself: no variance, and nothing in common with the next."""
    seen, noise, *_ = walk
    mean, var, ahead = smooth(*walk)
    exact = noise == 0
    assert mean[exact] == pytest.approx(seen[exact], rel=1e-12, abs=1e-10)
    assert np.all(var[exact] == 0)
    assert np.all(ahead[exact[1:] | exact[:-1]] == 0)


@given(walk=walks())
def test_more_probes_never_make_one_less_sure(
    walk: tuple[Floats, Floats, Floats, Floats],
) -> None:
    """No variance is above the probe's own noise."""
    _, noise, *_ = walk
    assert np.all(smooth(*walk)[1] <= noise * (1 + 1e-12))


def test_what_was_given_is_left_as_it_was() -> None:
    given_values = (np.array([1.0, 5.0, 2.0]), np.ones(3), np.zeros(2), np.ones(2))
    before = [values.copy() for values in given_values]
    smooth(*given_values)
    for values, copy in zip(given_values, before, strict=True):
        assert values.tolist() == copy.tolist()
