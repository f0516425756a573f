"""A forest answers what its trees, one by one, add up to."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.forest import MOST_LEAVES, MOST_TREES, UNIT, Forest
from latmodel.trees import Tree
from tests.latmodel.tree_texts import tree_texts

# Half of them stand exactly on a threshold of `tree_texts`.
VALUES = st.one_of(
    st.integers(-1, 10).map(float), st.sampled_from((0.5, math.inf, -math.inf, math.nan))
)


@given(
    lines=st.lists(tree_texts(), max_size=4),
    rows=st.lists(st.tuples(VALUES, VALUES), max_size=9),
    red=VALUES,
    copies=st.integers(1, 40),
)
def test_a_forest_is_the_plain_sum_of_its_trees(
    lines: list[str], rows: list[tuple[float, float]], red: float, copies: int
) -> None:
    """Also where rows go in several chunks, and where a feature has one value for all."""
    table = np.array(rows * copies, dtype=np.float64).reshape(-1, 2)
    features = {"rows": table[:, 0], "cols": table[:, 1], "red": np.array(red)}
    expected = sum((Tree.parse(line).apply(features) for line in lines), np.zeros(len(table)))
    answers = Forest.parse(lines).apply(features)
    assert answers.shape == (len(table),)
    assert answers / UNIT == pytest.approx(expected, abs=1e-8)


@given(line=tree_texts(), value=VALUES)
def test_a_forest_of_one_tree_is_that_tree(line: str, value: float) -> None:
    """Scalars in, an array without dimensions out."""
    features = {name: np.array(value) for name in ("rows", "cols", "red")}
    answer = Forest.parse([line]).apply(features)
    assert answer.shape == ()
    assert answer == Tree.parse(line).apply(features) * UNIT


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_tree_of_as_many_leaves_as_a_mask_has_bits(side: str) -> None:
    """Each value ends in a leaf of its own, the last one in the highest bit."""
    tests = range(MOST_LEAVES - 1)
    if side == "right":
        line = " ".join(f"rows<={n} {n}" for n in tests) + f" {MOST_LEAVES - 1}"
    else:
        leaves = " ".join(str(n) for n in range(MOST_LEAVES))
        line = " ".join(f"rows<={n}" for n in reversed(tests)) + f" {leaves}"
    answers = Forest.parse([line]).apply({"rows": np.arange(MOST_LEAVES, dtype=float)})
    assert answers / UNIT == pytest.approx(np.arange(MOST_LEAVES))


def test_arrays_are_broadcast_to_one_shape() -> None:
    forest = Forest.parse(["rows<=1 cols<=1 10 20 30"])
    features = {"rows": np.array([[1.0], [2.0]]), "cols": np.array([1.0, 2.0, 3.0])}
    assert (forest.apply(features) / UNIT).round(6).tolist() == [[10, 20, 20], [30, 30, 30]]
    assert forest.apply({"rows": np.array(2.0), "cols": np.array(0.0)}).shape == ()


@pytest.mark.parametrize("lines", [[], ["7"], ["rows<=1 2 3"]])
def test_empty_arrays_have_empty_answers(lines: list[str]) -> None:
    features = {"rows": np.empty((0, 3)), "cols": np.array(1.0)}
    assert Forest.parse(lines).apply(features).shape == (0, 3)


def test_no_tree_says_nothing() -> None:
    assert Forest(()).apply({"rows": np.array([1.0, 2.0])}).tolist() == [0.0, 0.0]
    assert Forest(()).features == frozenset()
    assert Forest(()).lines() == []


def test_a_feature_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match=r"^'cols'$"):
        Forest.parse(["cols<=1 1 2"]).apply({"rows": np.array(1.0)})


@given(lines=st.lists(tree_texts(4), max_size=3))
def test_writing_inverts_reading(lines: list[str]) -> None:
    forest = Forest.parse(lines)
    assert forest.lines() == lines
    assert Forest.parse(forest.lines()) == forest


def test_what_was_compiled_is_no_part_of_the_value() -> None:
    """A forest that has answered equals, hashes, copies and pickles as one that has not."""
    fresh, used = (Forest.parse(["rows<=1 2 3"]) for _ in range(2))
    features = {"rows": np.array([1.0, 2.0])}
    answers = used.apply(features).tolist()
    assert used == fresh
    assert hash(used) == hash(fresh)
    assert repr(used) == repr(fresh)
    for twin in (copy.deepcopy(used), pickle.loads(pickle.dumps(used))):  # noqa: S301
        assert twin == fresh
        assert twin.apply(features).tolist() == answers


FULL = " ".join(f"rows<={n} {n}" for n in range(MOST_LEAVES)) + " 0"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1", FULL], "tree 1 has 33 leaves: at most 32 are read"),
        (["1"] * (MOST_TREES + 1), "2001 trees: at most 2000 are read"),
        (["1", "rows<=2"], "tree 1: the tree is cut short: a branch is missing"),
        (
            ["0x7"],
            (
                "tree 0: the tree's word '0x7' is neither a test name<=number nor a finite "
                "number"
            ),
        ),
    ],
)
def test_what_is_no_forest_is_refused(lines: list[str], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        Forest.parse(lines)
    assert str(caught.value) == message
    with pytest.raises(FieldError) as refused:
        Forest.from_field(Fields({"correction": lines}, "part"), "correction")
    assert str(refused.value) == f"part.correction: {message}"


def test_as_many_trees_as_are_read() -> None:
    many = Forest.parse(["1"] * MOST_TREES)
    assert many.apply({}) / UNIT == pytest.approx(MOST_TREES)


def test_a_field_lists_trees_or_is_not_there() -> None:
    fields = Fields({"correction": ["rows<=1 0 1", "7"]}, "part")
    assert Forest.from_field(fields, "correction").lines() == ["rows<=1 0 1", "7"]
    assert Forest.from_field(fields, "other") == Forest(())
    fields.finish()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1 2", "part.correction: found text '1 2', allowed is a list"),
        ([1], "part.correction.0: found an integer 1, allowed is text that is not empty"),
    ],
)
def test_a_field_that_lists_no_text_is_refused_by_path(value: Any, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        Forest.from_field(Fields({"correction": value}, "part"), "correction")
    assert str(caught.value) == message
