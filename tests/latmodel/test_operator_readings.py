"""Timings of operators: checked once, chosen from, and held out by their shapes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.errors import MeasurementError, ProfileError
from latmodel.operator_readings import OperatorReadings

READINGS = OperatorReadings(
    kind="bmm",
    dtype="fp16",
    sizes={
        "batch": np.array([1.0, 2.0, 3.0]),
        "m": np.array([4.0, 5.0, 6.0]),
        "n": np.array([7.0, 8.0, 9.0]),
        "k": np.array([10.0, 11.0, 12.0]),
    },
    latency_ns=np.array([100.0, 200.0, 300.0]),
    kernels=np.array(["a_64x64", "", "a_64x64"]),
    splits=np.array([1, 0, 4]),
)


def of_rows(rows: list[int]) -> OperatorReadings:
    """Norms of a width of 384."""
    count = len(rows)
    return OperatorReadings(
        kind="norm",
        dtype="fp32",
        sizes={"rows": np.array(rows, dtype=np.float64), "width": np.full(count, 384.0)},
        latency_ns=np.ones(count),
        kernels=np.full(count, ""),
        splits=np.zeros(count, dtype=np.int64),
    )


def test_the_chosen_readings_keep_what_belongs_together() -> None:
    chosen = READINGS.where(np.array([True, False, True]))
    assert len(chosen) == 2
    assert {name: size.tolist() for name, size in chosen.sizes.items()} == {
        "batch": [1, 3],
        "m": [4, 6],
        "n": [7, 9],
        "k": [10, 12],
    }
    assert chosen.latency_ns.tolist() == [100, 300]
    assert chosen.kernels.tolist() == ["a_64x64", "a_64x64"]
    assert chosen.splits.tolist() == [1, 4]
    assert (chosen.kind, chosen.dtype) == ("bmm", "fp16")


def test_none_chosen_is_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        READINGS.where(np.zeros(3, dtype=bool))
    assert str(caught.value) == "readings of 'bmm' are none: give at least one"


def test_what_is_held_out_is_the_same_for_ever() -> None:
    """By the CRC-32 of the shape's text: these rows were held out when this was written."""
    held_out = of_rows(list(range(1, 33))).held_out()
    assert (np.flatnonzero(held_out) + 1).tolist() == [2, 4, 5, 13, 14, 19, 20]
    assert READINGS.held_out().tolist() == [False, True, False]


@given(rows=st.lists(st.integers(1, 10**6), min_size=1, max_size=50), seed=st.integers(0, 99))
def test_repeats_of_a_shape_fall_on_one_side_in_any_order(rows: list[int], seed: int) -> None:
    twice = of_rows(rows + rows)
    first, second = np.split(twice.held_out(), 2)
    assert first.tolist() == second.tolist()
    order = np.random.default_rng(seed).permutation(len(rows))
    shuffled = of_rows([rows[place] for place in order])
    assert shuffled.held_out().tolist() == first[order].tolist()


def test_the_order_in_which_sizes_were_named_says_nothing() -> None:
    backwards = replace(READINGS, sizes=dict(reversed(list(READINGS.sizes.items()))))
    for one_in in (2, 3, 5):
        expected = READINGS.held_out(one_in=one_in).tolist()
        assert backwards.held_out(one_in=one_in).tolist() == expected


@pytest.mark.parametrize("one_in", [2, 5, 10])
def test_one_shape_in_so_many_is_held_out(one_in: int) -> None:
    share = of_rows(list(range(1, 5001))).held_out(one_in=one_in).mean()
    assert share == pytest.approx(1 / one_in, rel=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kind": "conv"},
            "readings of 'conv' hold batch, m, n, k: must be one of linear, bmm, softmax, "
            "norm, gelu, add, attention, with its dimensions",
        ),
        (
            {"sizes": {"batch": np.ones(3), "m": np.ones(3)}},
            "readings of 'bmm' hold batch, m: must be one of linear, bmm, softmax, norm, gelu, "
            "add, attention, with its dimensions",
        ),
        (
            {"sizes": {**READINGS.sizes, "k": np.ones(2)}},
            "k has shape (2,): every array must be (3,)",
        ),
        (
            {"kernels": np.array("a")},
            "kernels has shape (): every array must be (3,)",
        ),
        (
            {"splits": np.ones((3, 1), dtype=np.int64)},
            "splits has shape (3, 1): every array must be (3,)",
        ),
        (
            {"sizes": {**READINGS.sizes, "m": np.array([1.0, 0.0, 2.0])}},
            "m holds a number that is not positive and finite",
        ),
        (
            {"latency_ns": np.array([1.0, math.nan, 2.0])},
            "latency_ns holds a number that is not positive and finite",
        ),
        (
            {"latency_ns": np.array([1.0, math.inf, 2.0])},
            "latency_ns holds a number that is not positive and finite",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        replace(READINGS, **change)
    assert str(caught.value) == message


def test_an_unknown_number_format_is_refused() -> None:
    with pytest.raises(ProfileError) as caught:
        replace(READINGS, dtype="int8")
    assert str(caught.value) == "dtype is 'int8': must be one of fp32, fp16, bf16"
