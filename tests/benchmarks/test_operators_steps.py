"""Pairs, signs and noise of the operators benchmark are what paper and pencil give."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from latmodel.operator_readings import OperatorReadings

Load = Callable[[str], Any]
Rows = list[tuple[int, int, int, float]]


def linears(rows: Rows) -> OperatorReadings:
    """Each of rows, inputs, outputs, and a latency."""
    *sizes, latency_ns = np.array(rows, dtype=np.float64).T
    return OperatorReadings(
        kind="linear",
        dtype="bf16",
        sizes=dict(zip(("rows", "in_features", "out_features"), sizes, strict=True)),
        latency_ns=latency_ns,
        kernels=np.full(len(rows), ""),
        splits=np.zeros(len(rows), dtype=np.int64),
    )


@pytest.fixture(scope="module")
def steps(benchmark_file: Load) -> Any:
    return benchmark_file("operators_steps")


def test_pairs_are_of_one_layer_and_one_row_apart(steps: Any) -> None:
    """In any order; rows 18 are two from 16, and (8, 5) is another layer than (8, 4)."""
    readings = linears(
        [(17, 8, 4, 1), (16, 8, 4, 1), (18, 8, 4, 1), (16, 8, 5, 1), (19, 9, 4, 1)]
    )
    assert steps.pairs(readings).tolist() == [[0, 2], [1, 0]]


def test_no_pairs_have_a_shape_too(steps: Any) -> None:
    assert steps.pairs(linears([(16, 8, 4, 1), (18, 8, 4, 1)])).shape == (0, 2)


def test_a_step_is_relative_to_its_first_reading(steps: Any) -> None:
    of = np.array([[0, 1], [1, 0]])
    assert steps.relative(np.array([100.0, 125.0]), of).tolist() == pytest.approx([0.25, -0.2])


def test_signs_by_direction_and_size(steps: Any) -> None:
    """Five of six are large; nothing foreseen is wrong, and so is what goes the other way."""
    read = np.array([0.10, 0.20, 0.40, -0.10, -0.20, 0.08])
    said = np.array([0.04, 0.30, 0.00, -0.02, 0.06, -0.50])
    found = steps.signs(said, read)
    assert (found.steps, found.right, found.up, found.down) == pytest.approx(
        (5, 60.0, 200 / 3, 50.0)
    )
    assert found.by_size == (100.0, 50.0, 0.0)
    # In the measured direction: 4, 30, 0, 2 and -6 %.
    assert (found.read, found.said) == pytest.approx((20.0, 2.0))


def test_no_large_step_leaves_no_share(steps: Any) -> None:
    found = steps.signs(np.array([0.2]), np.array([0.09]))
    assert found.steps == 0
    assert all(map(math.isnan, (found.right, found.up, found.down, found.read, found.said)))


def test_the_majority_is_that_of_large_steps_at_the_same_rows(steps: Any) -> None:
    """At 32 two of three large steps fall; a small rise has no vote. At 64 it is a tie."""
    rows: Rows = []
    for layer, (at, second) in enumerate(
        [(32, 80), (32, 80), (32, 150), (32, 105), (32, 105), (64, 80), (64, 120)], start=1
    ):
        rows += [(at, layer, 4, 100), (at + 1, layer, 4, second)]
    asked = np.array([32.0, 64.0, 96.0, 32.0])
    assert steps.majority(linears(rows), asked).tolist() == [-1.0, 1.0, 1.0, -1.0]


def test_the_step_beside_is_at_the_next_size_that_was_read(steps: Any) -> None:
    """Inputs 8, 16 and 64: beside 8 is 16; beside the largest, and another layer, is none."""
    readings = linears(
        [
            *((16, 8, 4, 100), (17, 8, 4, 120), (16, 16, 4, 100), (17, 16, 4, 90)),
            *((16, 64, 4, 100), (17, 64, 4, 110), (16, 8, 5, 100), (17, 8, 5, 150)),
        ]
    )
    of = steps.pairs(readings)
    found = steps.beside(readings, of, name="in_features")
    assert found.tolist() == pytest.approx([-0.1, 0.1, math.nan, math.nan], nan_ok=True)
    found = steps.beside(readings, of, name="out_features")
    assert found.tolist() == pytest.approx([0.5, math.nan, math.nan, math.nan], nan_ok=True)


def test_agreement_leaves_out_steps_without_a_neighbour(steps: Any) -> None:
    found = steps.agreement(np.array([0.2, -0.2, 0.3]), np.array([0.01, 0.3, math.nan]))
    assert (found.steps, found.right) == (2, 50.0)


def test_noise_is_that_of_nine_to_fifteen_rows(steps: Any) -> None:
    """Steps of 1 % below 1 us, of 2 and 20 % above; what is at 8 and at 15 rows is no noise."""
    readings = linears(
        [
            *((9, 1, 1, 100), (10, 1, 1, 101), (12, 2, 1, 100), (13, 2, 1, 99)),
            *((14, 3, 1, 1000), (15, 3, 1, 1020), (10, 4, 1, 1000), (11, 4, 1, 1200)),
            *((8, 5, 1, 100), (9, 5, 1, 200), (15, 6, 1, 100), (16, 6, 1, 200)),
        ]
    )
    found = steps.noise(readings, np.array([0.0, 500.0, 5000.0]))
    assert found[0] == pytest.approx((2, 1 / 0.6745 / math.sqrt(2), 0.0))
    assert found[1] == pytest.approx((2, 11 / 0.6745 / math.sqrt(2), 50.0))
