from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.forest import MOST_LEAVES, UNIT, Forest
from latmodel.trees import Tree

NAMES = ("rows", "cols", "red")


@st.composite
def trees(draw: st.DrawFn, most: int = MOST_LEAVES) -> str:
    """A tree as text, of any form."""
    leaves = draw(st.integers(1, most))
    if leaves == 1:
        return str(draw(st.integers(-99, 99)))
    left = draw(st.integers(1, leaves - 1))
    test = f"{draw(st.sampled_from(NAMES))}<={draw(st.integers(0, 9))}"
    return f"{test} {draw(trees(left))} {draw(trees(leaves - left))}"


@given(
    lines=st.lists(trees(), min_size=1, max_size=4),
    count=st.integers(1, 200),
    seed=st.integers(0, 99),
)
def test_a_forest_answers_for_many_rows_as_its_trees_do_for_each(
    lines: list[str], count: int, seed: int
) -> None:
    """Also where rows go in several chunks, and where a feature has one value for all."""
    numbers = np.random.default_rng(seed)
    features = {
        "rows": numbers.integers(0, 11, count).astype(float),
        "cols": np.sort(numbers.integers(0, 11, count)).astype(float),
        "red": np.array(float(numbers.integers(0, 11))),
    }
    expected = sum(Tree.parse(line).apply(features) * UNIT for line in lines)
    assert Forest.parse(lines).apply(features) == pytest.approx(
        np.broadcast_to(expected, count), abs=1e-12
    )


def test_a_tree_of_as_many_leaves_as_a_mask_has_bits() -> None:
    """Each value ends in a leaf of its own, the last one in the highest bit."""
    line = " ".join(f"rows<={n} {n}" for n in range(MOST_LEAVES - 1)) + f" {MOST_LEAVES - 1}"
    answers = Forest.parse([line]).apply({"rows": np.arange(MOST_LEAVES, dtype=float)})
    assert answers / UNIT == pytest.approx(np.arange(MOST_LEAVES))


def test_arrays_are_broadcast_to_one_shape() -> None:
    forest = Forest.parse(["rows<=1 cols<=1 10 20 30"])
    features = {"rows": np.array([[1.0], [2.0]]), "cols": np.array([1.0, 2.0, 3.0])}
    assert (forest.apply(features) / UNIT).round(6).tolist() == [[10, 20, 20], [30, 30, 30]]
    assert forest.apply({"rows": np.array(2.0), "cols": np.array(0.0)}).shape == ()
