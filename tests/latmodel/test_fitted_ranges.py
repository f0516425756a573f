from __future__ import annotations

import numpy as np

from latmodel.fitted_ranges import outside
from latmodel.operator_kinds import Operator
from tests.latmodel.operator_devices import UNFUSED

# The linears were read at 8 to 32 rows and 64 to 256 features in.


def linear(rows: object, in_features: int) -> Operator:
    dims = {"rows": rows, "in_features": in_features, "out_features": 8}
    return Operator("linear", dims)  # type: ignore[arg-type]


def said(*operators: Operator, few_allowed: bool = False) -> list[str]:
    return [str(o) for o in outside(UNFUSED, operators, dtype="fp32", few_allowed=few_allowed)]


def test_inside_nothing_is_said() -> None:
    assert said(linear(np.array([8, 32]), 64), linear(16, 256)) == []


def test_each_dimension_outside_is_named_with_what_is_asked_and_what_was_read() -> None:
    assert said(linear(33, 300)) == [
        "linear rows 33 (read 8 to 32)",
        "linear in_features 300 (read 64 to 256)",
    ]


def test_a_dimension_is_said_once_for_all_operators_of_a_kind() -> None:
    assert said(linear(np.arange(7, 12), 64), linear(np.arange(20, 41), 64)) == [
        "linear rows 7 to 40 (read 8 to 32)"
    ]


def test_few_rows_and_smaller_shapes_may_be_left_out() -> None:
    """A table begins at one token, and the head has a row per image."""
    assert said(linear(np.arange(1, 33), 64), few_allowed=True) == []
    assert said(linear(1, 64), few_allowed=True) == []
    assert said(linear(np.arange(1, 34), 64), few_allowed=True) == [
        "linear rows 1 to 33 (read 8 to 32)"
    ]
    assert said(linear(16, 63), few_allowed=True) == ["linear in_features 63 (read 64 to 256)"]


def test_a_dimension_without_readings_is_never_outside() -> None:
    assert said(Operator("bmm", {"batch": 1, "m": 10**6, "n": 1, "k": 1})) == []
