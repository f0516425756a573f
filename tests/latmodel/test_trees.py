"""A tree is read without recursion and applied as if each row walked it alone."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.trees import MOST_NODES, Tree
from tests.latmodel.tree_texts import tree_texts

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
# Half of them stand exactly on a threshold of `tree_texts`.
FEATURES = st.one_of(st.integers(-1, 10).map(float), st.floats())


def walked(tree: Tree, row: dict[str, float]) -> float:
    """The oracle: one row, one node after another."""
    node = 0
    while tree.names[node]:
        below = row[tree.names[node]] <= tree.values[node]
        node = node + 1 if below else tree.rights[node]
    return tree.values[node]


@given(
    text=tree_texts(),
    rows=st.lists(st.fixed_dictionaries(dict.fromkeys(("rows", "cols", "red"), FEATURES))),
)
def test_many_rows_are_answered_as_each_would_walk_alone(
    text: str, rows: list[dict[str, float]]
) -> None:
    """On thresholds, beyond all of them, at infinity and for NaN, which no test lets left."""
    tree = Tree.parse(text)
    features = {name: np.array([row[name] for row in rows]) for name in ("rows", "cols", "red")}
    assert tree.apply(features).tolist() == [walked(tree, row) for row in rows]


def test_a_tree_by_hand() -> None:
    """Left at the threshold, right above it; the second test stands on the right."""
    tree = Tree.parse("rows<=64 7 cols<=8 -2 0.5")
    assert tree.names == ("rows", "", "cols", "", "")
    assert tree.values == (64, 7, 8, -2, 0.5)
    assert tree.rights == (2, 0, 4, 0, 0)
    assert tree.leaves == (7, -2, 0.5)
    assert tree.features == {"rows", "cols"}
    rows = np.array([64, np.nextafter(64, 65), math.inf, -math.inf, math.nan])
    assert tree.apply({"rows": rows, "cols": np.array(8)}).tolist() == [7, -2, -2, 7, -2]


@given(text=tree_texts(thresholds=NUMBERS, answers=NUMBERS))
def test_writing_inverts_reading_to_the_last_bit(text: str) -> None:
    tree = Tree.parse(text)
    assert Tree.parse(tree.text()) == tree


@given(threshold=NUMBERS, answer=NUMBERS)
def test_six_digits_come_back_as_they_were_written(threshold: float, answer: float) -> None:
    """A file that is read and written again is the same, character by character."""
    text = f"rows<={threshold:.6g} {answer:.6g} 0"
    assert Tree.parse(text).text() == text


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a<=65536.5 1 2", "a<=65536.5 1 2"),
        ("a<=131072.5 1 2", "a<=131072.5 1 2"),
        ("1000000", "1e+06"),
        ("0.1", "0.1"),
        ("  a<=1\n2\t3 ", "a<=1 2 3"),
        ("rows/cols<=0.30000000000000004 -7. .5", "rows/cols<=0.30000000000000004 -7 0.5"),
        ("a<=b<=1 2 3", "a<=b<=1 2 3"),
    ],
)
def test_text_is_short_where_that_loses_nothing(text: str, same: str) -> None:
    assert Tree.parse(text).text() == same


@pytest.mark.parametrize(
    ("text", "shape"),
    [("7", (2, 3)), ("rows<=1 1 2", (2, 3)), ("cols<=1 1 2", (2, 3)), ("one<=1 1 2", (2, 3))],
)
def test_answers_have_the_shape_of_all_features_together(
    text: str, shape: tuple[int, ...]
) -> None:
    """Whichever are tested: nobody who applies a tree need know what it asks."""
    features = {
        "rows": np.array([[1.0], [2.0]]),
        "cols": np.array([0.0, 1.0, 2.0]),
        "one": np.array(1.0),
    }
    answers = Tree.parse(text).apply(features)
    assert answers.shape == shape
    answers += 1.0  # an array of its own, not a view that may not be written


def test_empty_arrays_have_empty_answers() -> None:
    for text in ("7", "rows<=1 1 2"):
        empty = Tree.parse(text).apply({"rows": np.empty((0, 3)), "cols": np.array(1.0)})
        assert empty.shape == (0, 3)
        assert empty.dtype == np.float64


def test_a_feature_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match=r"^'cols'$"):
        Tree.parse("cols<=1 1 2").apply({"rows": np.array(1.0)})


LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the tree is cut short: a branch is missing"),
        ("rows<=1", "the tree is cut short: a branch is missing"),
        ("rows<=1 2", "the tree is cut short: a branch is missing"),
        ("rows<=1 cols<=1 2 3", "the tree is cut short: a branch is missing"),
        ("1 2", "the tree ends after 1 of 2 words"),
        ("rows<=1 2 3 4 5", "the tree ends after 3 of 5 words"),
        ("<=1 2 3", "the tree's word '<=1' tests nothing"),
        (
            "rows<1 2 3",
            "the tree's word 'rows<1' is neither a test name<=number nor a finite number",
        ),
        (
            "rows<= 1 2",
            "the tree's word 'rows<=' is neither a test name<=number nor a finite number",
        ),
        ("nan", "the tree's word 'nan' is neither a test name<=number nor a finite number"),
        ("1e999", "the tree's word '1e999' is neither a test name<=number nor a finite number"),
        (
            "rows<=inf 2 3",
            "the tree's word 'rows<=inf' is neither a test name<=number nor a finite number",
        ),
        ("1_000", "the tree's word '1_000' is neither a test name<=number nor a finite number"),
        ("٣", "the tree's word '٣' is neither a test name<=number nor a finite number"),
        (
            "__import__('os')",
            (
                "the tree's word \"__import__('os')\" is neither a test name<=number nor a "
                "finite number"
            ),
        ),
        (
            LONG,
            (
                f"the tree's word '{'x' * 36}... is neither a test name<=number nor a finite "
                "number"
            ),
        ),
        (f"<={LONG}", f"the tree's word '<={'x' * 34}... tests nothing"),
    ],
)
def test_what_is_no_tree_is_refused(text: str, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        Tree.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        (
            ("", ""),
            (1.0,),
            "a tree has 2 names and 1 values: must have as many of both",
        ),
        (("rows",), (1.0,), "the tree is cut short: a branch is missing"),
        (("", "rows"), (1.0, 2.0), "the tree ends after 1 of 2 words"),
    ],
)
def test_nodes_that_are_no_tree_are_refused(
    names: tuple[str, ...], values: tuple[float, ...], message: str
) -> None:
    """Built by hand too: no walk can run in a circle."""
    with pytest.raises(ProfileError) as caught:
        Tree(names, values)
    assert str(caught.value) == message


def chain(tests: int, *, left: bool) -> str:
    """As deep as a tree of so many tests can be."""
    if left:
        return " ".join(f"rows<={tests - n}" for n in range(tests)) + " 0" * (tests + 1)
    return " ".join(f"rows<={n} {n}" for n in range(tests)) + f" {tests}"


@pytest.mark.parametrize("left", [True, False])
def test_the_deepest_tree_needs_no_stack(left: bool) -> None:
    """Deeper than Python may recurse, read, written and applied."""
    tests = MOST_NODES // 2 - 1
    assert tests > sys.getrecursionlimit()
    text = chain(tests, left=left)
    tree = Tree.parse(text)
    assert tree.text() == text
    answers = tree.apply({"rows": np.array([0.0, 1.0, tests])})
    assert answers.tolist() == ([0, 0, 0] if left else [0, 1, tests])


@pytest.mark.parametrize("left", [True, False])
def test_a_line_of_a_megabyte_is_refused(left: bool) -> None:
    text = chain(50_000, left=left)
    with pytest.raises(ProfileError) as caught:
        Tree.parse(text)
    assert str(caught.value) == "a tree has 100001 nodes: at most 4096 are read"


def test_as_many_nodes_as_are_read_and_two_more() -> None:
    most = MOST_NODES // 2 - 1  # a tree has an odd number of nodes
    assert len(Tree.parse(chain(most, left=False)).leaves) == most + 1
    with pytest.raises(ProfileError) as caught:
        Tree.parse(chain(most + 1, left=False))
    assert str(caught.value) == "a tree has 4097 nodes: at most 4096 are read"


def test_a_field_holds_a_tree_or_is_not_there() -> None:
    fields = Fields({"choice": "rows<=1 0 1"}, "part")
    assert Tree.from_field(fields, "choice") == Tree.parse("rows<=1 0 1")
    assert Tree.from_field(fields, "split_choice") is None
    fields.finish()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "part.choice: found an integer 7, allowed is text that is not empty"),
        (" ", "part.choice: found text ' ', allowed is text that is not empty"),
        ("rows<=1 0", "part.choice: the tree is cut short: a branch is missing"),
    ],
)
def test_a_field_that_holds_no_tree_is_refused_by_path(value: Any, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        Tree.from_field(Fields({"choice": value}, "part"), "choice")
    assert str(caught.value) == message
