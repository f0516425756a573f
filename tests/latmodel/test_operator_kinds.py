"""Dimensions and ranges: what is asked and what was read, checked before anything else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.operator_kinds import (
    DIMS,
    PRODUCTS,
    STREAMS,
    Span,
    check_tests,
    checked_sizes,
    itemsize,
    spans_from,
)


def test_every_kind_is_a_product_or_a_stream() -> None:
    assert sorted(DIMS) == sorted((*PRODUCTS, *STREAMS))


@pytest.mark.parametrize(("dtype", "count"), [("fp32", 4), ("fp16", 2), ("bf16", 2)])
def test_bytes_of_a_number(dtype: str, count: int) -> None:
    assert itemsize(dtype) == count


def test_an_unknown_number_format_is_refused() -> None:
    with pytest.raises(ProfileError) as caught:
        itemsize("int8")
    assert str(caught.value) == "dtype is 'int8': must be one of fp32, fp16, bf16"


def test_the_distance_from_a_span_by_hand() -> None:
    """Half the least and twice the greatest are as far; the ends belong to the span."""
    distances = Span("rows", 8, 64).distance([4, 8, 20, 64, 128])
    assert distances == pytest.approx([math.log(2), 0, 0, 0, math.log(2)])
    assert Span("rows", 8, 64).distance(64.0).shape == ()


@given(
    ends=st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
    value=st.floats(1e-3, 1e9),
    factor=st.floats(1, 1e3),
)
def test_farther_is_never_nearer(ends: tuple[int, int], value: float, factor: float) -> None:
    """Zero inside alone; beyond an end, a factor more is the factor's log more."""
    span = Span("rows", *sorted(ends))
    near = float(span.distance(value))
    assert (near == 0) == (span.low <= value <= span.high)
    if value >= span.high:
        far = float(span.distance(value * factor))
        assert far == pytest.approx(near + math.log(factor), abs=1e-9)


@pytest.mark.parametrize(("low", "high"), [(9, 3), (0, 3), (-1, 3)])
def test_a_span_that_does_not_ascend_is_refused(low: int, high: int) -> None:
    with pytest.raises(ProfileError) as caught:
        Span("rows", low, high)
    assert str(caught.value) == f"rows is {low} to {high}: must ascend from 1"


def test_spans_are_read_in_the_order_of_the_file() -> None:
    fields = Fields({"width": [8, 8], "rows": [1, 64]}, "fitted")
    assert spans_from(fields) == (Span("width", 8, 8), Span("rows", 1, 64))
    assert spans_from(Fields({}, "fitted")) == ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            [1, 2, 3],
            "fitted.rows: found [1, 2, 3], allowed are two integers that ascend from 1",
        ),
        ([9, 3], "fitted.rows: found [9, 3], allowed are two integers that ascend from 1"),
        ([], "fitted.rows: found [], allowed are two integers that ascend from 1"),
        (
            [7] * 1000,
            (
                "fitted.rows: found [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, ..., allowed are two "
                "integers that ascend from 1"
            ),
        ),
        ([0, 3], "fitted.rows.0: found an integer 0, allowed is an integer of 1 or more"),
        (
            [1, 2.5],
            "fitted.rows.1: found a number 2.5, allowed is an integer of 1 or more",
        ),
        (7, "fitted.rows: found an integer 7, allowed is a list"),
    ],
)
def test_a_span_out_of_range_is_refused_by_path(value: Any, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        spans_from(Fields({"rows": value}, "fitted"))
    assert str(caught.value) == message


def test_what_trees_test_must_be_there() -> None:
    check_tests("choice", frozenset(), {"rows"})
    check_tests("choice", {"rows"}, {"rows", "cols"})
    with pytest.raises(ProfileError) as caught:
        check_tests("choice", {"rows", "z", "depth"}, {"rows"})
    assert str(caught.value) == "choice tests 'depth', which no shape has"
    with pytest.raises(ProfileError) as long:
        check_tests("choice", {"x" * 10**6}, {"rows"})
    assert str(long.value) == f"choice tests '{'x' * 36}..., which no shape has"


@pytest.mark.parametrize("kind", sorted(DIMS))
def test_sizes_come_in_the_order_of_the_kind(kind: str) -> None:
    dims = {name: index + 1 for index, name in reversed(list(enumerate(DIMS[kind])))}
    sizes = checked_sizes(kind, dims)
    assert tuple(sizes) == DIMS[kind]
    assert [float(size) for size in sizes.values()] == [n + 1 for n in range(len(DIMS[kind]))]
    assert all(size.dtype == np.float64 for size in sizes.values())


@pytest.mark.parametrize(
    ("kind", "dims", "message"),
    [
        (
            "conv",
            {},
            (
                "operator kind is 'conv': must be one of linear, bmm, softmax, norm, gelu, "
                "add, attention"
            ),
        ),
        ("add", {"rows": 1}, "add was given rows: must be given rows, width"),
        ("add", {}, "add was given no dimension: must be given rows, width"),
        (
            "add",
            {"rows": 1, "width": 1, "k": 1},
            "add was given k, rows, width: must be given rows, width",
        ),
        (
            "add",
            {"rows": [3, 0], "width": 1},
            "add: rows holds a number that is not positive and finite",
        ),
        (
            "add",
            {"rows": 1, "width": math.nan},
            "add: width holds a number that is not positive and finite",
        ),
        (
            "add",
            {"rows": 1, "width": math.inf},
            "add: width holds a number that is not positive and finite",
        ),
        (
            "add",
            {"rows": [1, 2], "width": [1, 2, 3]},
            "add: shapes that do not fit together: rows (2,), width (3,)",
        ),
        (
            "add",
            {"rows": "many", "width": 1},
            "add: a dimension is neither a number nor an array",
        ),
        (
            "add",
            {"rows": [[1], [1, 2]], "width": 1},
            "add: a dimension is neither a number nor an array",
        ),
    ],
)
def test_a_wrong_question_is_refused(kind: str, dims: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        checked_sizes(kind, dims)
    assert str(caught.value) == message


def test_a_range_of_an_unknown_name_is_refused() -> None:
    """A misspelt range would never be reported as left."""
    with pytest.raises(FieldError) as caught:
        spans_from(Fields({"row": [1, 2]}, "fitted"))
    assert str(caught.value) == (
        "fitted.row: unknown key; known here are rows, reduction, columns, width"
    )
