"""Trees of scikit-learn become text that answers as they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from latmodel.forest import UNIT
from latmodel.slowdowns import Floats
from latmodel.tree_fitting import (
    _Writer,
    fit_choice,
    fit_forest,
    fit_whole_numbers,
    stacked,
)

# Numbers that six digits do not tell apart, and some that single precision does not.
CLOSE = st.one_of(
    st.integers(0, 30).map(lambda n: 1 + n * 1e-6),
    st.integers(0, 30).map(lambda n: 2.0**24 + n),
    st.integers(0, 30).map(lambda n: 10.0**12 + n * 10.0**5),
    st.integers(-9, 9).map(lambda n: n / 4),
    st.floats(-1e30, 1e30),
)


def features(count: int, seed: int = 0) -> dict[str, Floats]:
    """Sizes from 1 to 4096, work to a billion, a ratio and a number that all share."""
    random = np.random.default_rng(seed)
    rows = random.integers(1, 4097, count).astype(np.float64)
    work = rows * random.integers(1, 250_000, count)
    return {
        "rows": rows,
        "work": work,
        "t0": 1.0 + random.random(count) ** 9,
        "batch": np.array(1.0),
    }


def target(columns: dict[str, Floats], seed: int = 1) -> Floats:
    """A step, a slope and noise of 2 %."""
    noise = np.random.default_rng(seed).normal(0, 0.02, len(columns["rows"]))
    step = 0.3 * (columns["rows"] > 2000)
    return np.asarray(step + 0.05 * np.log(columns["work"]) + noise)


def test_features_are_columns_of_one_shape() -> None:
    matrix = stacked({"rows": np.array([1.0, 2.0, 3.0]), "batch": np.array(7.0)})
    assert matrix.tolist() == [[1, 7], [2, 7], [3, 7]]


@given(
    rows=st.lists(st.tuples(CLOSE, CLOSE), min_size=2, max_size=40),
    seed=st.integers(0, 99),
)
def test_a_written_tree_answers_every_row_of_the_fit_as_the_fitted_one(
    rows: list[tuple[float, float]], seed: int
) -> None:
    """However close the rows: thresholds get the digits that part them."""
    matrix = np.array(rows)
    answers = np.random.default_rng(seed).integers(0, 5, len(rows))
    fitted = DecisionTreeRegressor(random_state=seed).fit(matrix, answers)
    tree = _Writer(("a", "b"), matrix).tree(fitted.tree_, lambda value: float(value[0, 0]))
    written = tree.apply({"a": matrix[:, 0], "b": matrix[:, 1]})
    assert written == pytest.approx(fitted.predict(matrix), abs=1e-5)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (64.0, 65.0, "64.5"),
        (65536.0, 65537.0, "65536.5"),
        (131072.0, 131073.0, "131072"),  # six digits still part the two
        (131073.0, 131074.0, "131073.5"),  # 131074 would not
        (1.000001, 1.000003, "1.000002"),
        (2.0**24 + 1, 2.0**24 + 3, "16777218.0"),  # single precision sees 0 and 4 there
        (2.0**24 + 2, 2.0**24 + 3, "16777218.0"),  # 2 and 4, so its threshold is the upper
    ],
)
def test_thresholds_have_six_digits_or_what_it_takes(
    low: float, high: float, text: str
) -> None:
    matrix = np.array([[low], [high]])
    fitted = DecisionTreeClassifier(random_state=0).fit(matrix, [0, 1])
    tree = _Writer(("rows",), matrix).tree(fitted.tree_, lambda value: float(np.argmax(value)))
    assert tree.text() == f"rows<={text} 0 1"
    assert tree.apply({"rows": matrix[:, 0]}).tolist() == [0, 1]


def test_a_planted_choice_is_found() -> None:
    """On the rows of the fit, and on others within the gaps between those."""
    columns, fresh = features(400), features(2000, seed=7)

    def rule(of: dict[str, Floats]) -> npt.NDArray[np.int64]:
        return np.where(of["rows"] <= 1000, 2, np.where(of["work"] <= 2e8, 0, 5))

    tree = fit_choice(columns, rule(columns), most_leaves=20)
    assert set(tree.leaves) == {0, 2, 5}
    for some in (columns, fresh):
        assert np.mean(tree.apply(some) == rule(some)) > 0.98


def test_a_choice_of_one_is_a_leaf() -> None:
    assert fit_choice(features(9), np.full(9, 3), most_leaves=5).text() == "3"


def test_a_choice_answers_as_scikit_learn_would() -> None:
    """Kernels that fight: the choice hangs on nothing at all for a third of the rows."""
    columns = features(600)
    random = np.random.default_rng(3)
    chosen = np.where(random.random(600) < 0.3, random.integers(0, 4, 600), columns["t0"] > 1.1)
    fitted = DecisionTreeClassifier(max_leaf_nodes=50, min_samples_leaf=4, random_state=0)
    fitted.fit(stacked(columns), chosen)
    tree = fit_choice(columns, chosen, most_leaves=50)
    assert len(tree.leaves) == 50
    assert tree.apply(columns).tolist() == fitted.predict(stacked(columns)).tolist()


def test_whole_numbers_are_geometric_means() -> None:
    """Of 2 and 8 that nothing tells apart, 4; the rest by rows."""
    rows = np.repeat([10.0, 20.0], 6)
    numbers = np.array([2, 8] * 3 + [16] * 6)
    tree = fit_whole_numbers({"rows": rows}, numbers, most_leaves=40)
    assert tree.text() == "rows<=15 4 16"


@given(numbers=st.lists(st.integers(1, 64), min_size=1, max_size=30))
def test_whole_numbers_stay_within_what_was_seen(numbers: list[int]) -> None:
    """Never below 1, whatever the mean of logs was rounded to."""
    rows = np.arange(len(numbers), dtype=np.float64)
    tree = fit_whole_numbers({"rows": rows}, np.array(numbers), most_leaves=40)
    assert all(leaf % 1 == 0 for leaf in tree.leaves)
    assert min(numbers) <= min(tree.leaves) <= max(tree.leaves) <= max(numbers)


@pytest.mark.parametrize("loss", ["absolute_error", "squared_error"])
def test_a_forest_answers_as_scikit_learn_would(loss: str) -> None:
    """Each leaf is rounded to a unit, so thirty trees differ by fifteen units at most."""
    columns = features(500)
    fitted = GradientBoostingRegressor(
        loss=loss,
        n_estimators=30,
        learning_rate=0.2,
        max_depth=None,
        max_leaf_nodes=16,
        min_samples_leaf=5,
        subsample=0.8,
        max_features=0.5,
        random_state=0,
    )
    fitted.fit(stacked(columns), target(columns))
    forest = fit_forest(
        columns, target(columns), trees=30, rate=0.2, most_leaves=16, least_rows=5, loss=loss
    )
    difference = np.abs(forest.apply(columns) - fitted.predict(stacked(columns)))
    assert difference.max() <= 15.5 * UNIT
    assert difference.mean() < 3 * UNIT


def test_a_forest_learns_a_planted_step_whatever_the_outliers() -> None:
    """One row in twenty is tenfold; the absolute error does not follow it."""
    columns = features(400)
    planted = np.where(columns["rows"] > 2000, 0.3, 0.0)
    read = planted + np.where(np.arange(400) % 20 == 0, 2.3, 0.0)
    forest = fit_forest(columns, read, trees=40, rate=0.2)
    assert np.median(np.abs(forest.apply(columns) - planted)) < 0.01


@pytest.mark.parametrize(
    ("loss", "centre"), [("absolute_error", np.median), ("squared_error", np.mean)]
)
def test_a_forest_is_a_centre_and_as_many_trees_as_asked(
    loss: str, centre: Callable[[Floats], float]
) -> None:
    columns = features(200)
    first, again = (
        fit_forest(columns, target(columns), trees=5, rate=0.2, loss=loss) for _ in range(2)
    )
    assert first.lines() == again.lines()
    start, *grown = first.trees
    assert start.leaves == pytest.approx((centre(target(columns)) / UNIT,), abs=1)
    assert len(grown) == 5
    assert all(1 < len(tree.leaves) <= 32 for tree in grown)
    assert all(leaf % 1 == 0 for tree in grown for leaf in tree.leaves)


@settings(max_examples=20)
@given(count=st.integers(2, 12), value=st.floats(-3, 3))
def test_few_rows_and_equal_targets_are_answered_by_their_median(
    count: int, value: float
) -> None:
    columns: dict[str, Any] = features(count)
    forest = fit_forest(columns, np.full(count, value), trees=3, rate=0.2)
    assert forest.apply(columns) == pytest.approx(np.full(count, value), abs=1e-5)
