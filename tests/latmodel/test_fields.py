from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from latmodel.errors import FieldError
from latmodel.fields import Fields


def refused(read: Callable[[], object]) -> str:
    """The message with which a reading is refused."""
    with pytest.raises(FieldError) as caught:
        read()
    return str(caught.value)


def at(value: object) -> Fields:
    """A mapping with one field, `x`, that stands at `here`."""
    return Fields({"x": value}, "here")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "nothing"),
        (True, "a yes/no value True"),
        (1.0, "a number 1.0"),
        ("1e3", "text '1e3'"),
        ("", "text ''"),
        ("x" * 41, f"text '{'x' * 36}..."),
        ([1], "a list"),
        ({"y": 1}, "a mapping"),
        (date(2001, 1, 1), "date datetime.date(2001, 1, 1)"),
    ],
)
def test_what_is_no_integer_is_refused_and_shown(found: object, words: str) -> None:
    message = refused(lambda: at(found).integer("x"))
    assert message == f"here.x: found {words}, allowed is an integer"


def test_an_integer_below_the_minimum_is_refused() -> None:
    assert refused(lambda: at(-3).integer("x", minimum=1)) == (
        "here.x: found an integer -3, allowed is an integer of 1 or more"
    )


@pytest.mark.parametrize("value", [1, 2, 2**53])
def test_an_integer_at_or_above_the_minimum_is_taken(value: int) -> None:
    assert at(value).integer("x", minimum=1) == value


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 10**400], ids=["up", "down", "far"])
def test_an_integer_too_large_for_anything_is_refused(value: int) -> None:
    """So that floats hold every one, and sums of latencies fit 64 bits."""
    assert refused(lambda: at(value).integer("x")).endswith(
        ", allowed is an integer and at most 9007199254740992"
    )


@pytest.mark.parametrize("value", [0, 3, -1.5, 1e300])
def test_integers_and_floats_are_numbers(value: float) -> None:
    number = at(value).number("x")
    assert (number, type(number)) == (value, float)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (float("nan"), "a number nan"),
        (float("inf"), "a number inf"),
        (float("-inf"), "a number -inf"),
        (10**400, f"an integer {str(10**400)[:37]}..."),
        (False, "a yes/no value False"),
        ("3", "text '3'"),
        (-0.5, "a number -0.5"),
    ],
)
def test_what_is_no_finite_number_is_refused(found: object, words: str) -> None:
    assert refused(lambda: at(found).number("x", minimum=0)) == (
        f"here.x: found {words}, allowed is a finite number of 0 or more"
    )


@pytest.mark.parametrize("found", ["", " \n\t", 3, False, None, ["a"]])
def test_blank_text_and_other_kinds_are_no_text(found: object) -> None:
    assert refused(lambda: at(found).text("x")).endswith(", allowed is text that is not empty")


@pytest.mark.parametrize("found", ["HIGH", "", None, 1, ["high"]])
def test_a_choice_is_exact(found: object) -> None:
    message = refused(lambda: at(found).choice("x", ("high", "low")))
    assert message.endswith(", allowed is one of high, low")


@pytest.mark.parametrize("found", ["yes", 0, 1, None])
def test_only_true_and_false_are_booleans(found: object) -> None:
    assert refused(lambda: at(found).boolean("x")).endswith(", allowed is true or false")


def test_lists_are_read_element_by_element() -> None:
    fields = Fields({"a": [1, 2], "b": [1, 0.5], "c": ["x"], "d": []})
    assert (fields.integers("a"), fields.numbers("b"), fields.texts("c")) == (
        (1, 2),
        (1.0, 0.5),
        ("x",),
    )
    assert fields.integers("d") == ()


def test_a_list_names_the_element_that_is_wrong() -> None:
    message = refused(lambda: at([5, 0]).integers("x", minimum=1))
    assert message == "here.x.1: found an integer 0, allowed is an integer of 1 or more"
    assert refused(lambda: at([0.1, "a"]).numbers("x")).startswith("here.x.1: found text 'a'")
    assert refused(lambda: at([""]).texts("x")).startswith("here.x.0: found text ''")


@pytest.mark.parametrize("found", ["text", {"0": 1}, None, 3])
def test_what_is_no_list_is_refused(found: object) -> None:
    assert refused(lambda: at(found).integers("x")).endswith(", allowed is a list")


def test_paths_lead_through_mappings_and_lists() -> None:
    fields = Fields({"a": {"b": [{"c": 1}, {"c": "one"}]}})
    message = refused(lambda: fields.mapping("a").each("b", lambda each: each.integer("c")))
    assert message == "a.b[1].c: found text 'one', allowed is an integer"


def test_a_missing_field_is_named() -> None:
    assert refused(lambda: Fields({}, "a").integer("b")) == "a.b: missing"


def test_null_counts_as_not_there_for_has_only() -> None:
    fields = Fields({"x": None})
    assert not fields.has("x")
    assert fields.raw("x") is None
    fields.finish()


def test_finish_refuses_what_was_never_asked_for() -> None:
    """Asking whether a field is there counts as asking for it; each is listed once."""
    fields = Fields({"a": 1, "b": 2, "bb": 3, "c": 4}, "here")
    fields.has("a")
    fields.integer("a")
    fields.integer("b")
    assert refused(fields.finish) == "here.bb: unknown key; known here are a, b"


@pytest.mark.parametrize("key", [True, 1, None, 2.5])
def test_keys_must_be_text(key: object) -> None:
    assert refused(lambda: Fields({key: 1})) == (
        f"the file: found the key {key!r}, allowed are keys of text"
    )


def test_a_field_read_twice_keeps_its_value() -> None:
    """Nothing is consumed: the mapping that was passed stays as it was."""
    mapping = {"a": 1}
    fields = Fields(mapping)
    assert (fields.integer("a"), fields.integer("a"), fields.names()) == (1, 1, ("a",))
    fields.finish()
    assert mapping == {"a": 1}
