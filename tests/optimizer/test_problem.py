from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import ProblemError
from optimizer.problem import Problem
from tests.optimizer.strategies import problems, schedules

GOOD: dict[str, Any] = {
    "counts": np.array([2, 4]),
    "value": np.array([[2, 4], [2, 4]]),
    "segment_ns": np.array([[10, 20], [30, 40]]),
    "cut_ns": np.array([[5, 0], [6, 0]]),
    "fixed_ns": 100,
    "budget_ns": 150,
}


def test_latency_by_hand() -> None:
    """Fixed 100; keep 4 (20); cut to 2 (30, and 6 for the cut)."""
    assert Problem(**GOOD).latency_ns((4, 2)) == 100 + 20 + 30 + 6


def test_a_cut_is_paid_once() -> None:
    """Cut to 2 at block 0 (10 + 5); at block 1 nothing drops, so only 30 more."""
    assert Problem(**GOOD).latency_ns((2, 2)) == 100 + 10 + 5 + 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": np.array([[1.5, 2], [1, 2]])}, "value holds float64: must be integers"),
        ({"counts": np.array([4, 2])}, "counts must be positive and ascend"),
        ({"counts": np.array([4, 4])}, "counts must be positive and ascend"),
        ({"counts": np.array([0, 4])}, "counts must be positive and ascend"),
        (
            {"cut_ns": np.array([[5, 0]])},
            "cut_ns has shape (1, 2): must be (depth, C) = (2, 2)",
        ),
        (
            {"segment_ns": np.array([[10, -1], [1, 1]])},
            "segment_ns, cut_ns and fixed_ns must not be negative",
        ),
        ({"budget_ns": -1}, "budget_ns is -1: must not be negative"),
        ({"budget_ns": 1.5}, "budget_ns is 1.5: must be an integer"),
        ({"max_cuts": 1.5}, "max_cuts is 1.5: must be an integer"),
        (
            {"value": np.array([[2**63, 4], [2, 4]], dtype=np.uint64)},
            "value holds 2**60 or more: use a coarser unit",
        ),
        ({"earliest_cut": -1}, "earliest_cut is -1: must be 0 or more"),
        ({"max_cuts": -1}, "max_cuts is -1: must be 0 or more"),
        ({"least_count": 5}, "least_count is 5: must be 1 to the full count (4)"),
        ({"multiple_of": 0}, "multiple_of is 0: must be 1 or more"),
        (
            {"segment_ns": np.array([[1 << 59, 1 << 59]] * 2)},
            "latencies or values sum to 2**60 or more: use a coarser unit",
        ),
    ],
)
def test_contradictions_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        Problem(**{**GOOD, **change})
    assert str(caught.value) == message


def test_unknown_counts_are_refused() -> None:
    with pytest.raises(ProblemError) as caught:
        Problem(**GOOD).latency_ns((4, 3))
    assert str(caught.value) == "tokens must be 2 of the problem's counts"


def test_arrays_cannot_change_under_the_solver() -> None:
    problem = Problem(**GOOD)
    with pytest.raises(ValueError, match="read-only"):
        problem.segment_ns[0, 0] = 0


@given(data=st.data())
def test_latency_equals_a_plain_sum(data: st.DataObject) -> None:
    """Against the definition, written out with dictionaries in place of columns."""
    problem = data.draw(problems())
    tokens = data.draw(schedules(problem))
    column = {int(c): k for k, c in enumerate(problem.counts)}
    expected, before = problem.fixed_ns, problem.full
    for block, count in enumerate(tokens):
        expected += int(problem.segment_ns[block][column[count]])
        if count != before:
            expected += int(problem.cut_ns[block][column[count]])
        before = count
    assert problem.latency_ns(tokens) == expected
