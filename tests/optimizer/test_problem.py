from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import ProblemError
from optimizer.problem import Problem
from optimizer.solvers.exhaustive import every_schedule
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
        ({"largest_drop": 0}, "largest_drop is 0: must be 1 or more"),
        ({"latest_cut": "2"}, "latest_cut is '2': must be an integer"),
        (
            {"earliest_cut": 1, "latest_cut": 0},
            "latest_cut is 0: must be earliest_cut (1) or more; to allow no cut at all, set "
            "max_cuts to 0",
        ),
        ({"cut_blocks": (0.5,)}, "a block of cut_blocks is 0.5: must be an integer"),
        (
            {"cut_blocks": (1, 0)},
            "cut_blocks is (1, 0): must ascend, each one of blocks 0 to 1",
        ),
        ({"cut_blocks": (2,)}, "cut_blocks is (2,): must ascend, each one of blocks 0 to 1"),
        ({"cut_blocks": 3}, "cut_blocks is 3: must be a tuple of blocks, or None for any"),
        ({"pinned": (0, 2)}, "pinned is (0, 2): must be a tuple of pairs (block, count)"),
        ({"pinned": ((0, "2"),)}, "a count of pinned is '2': must be an integer"),
        (
            {"pinned": ((0, 2), (0, 2))},
            "pinned is ((0, 2), (0, 2)): its blocks must ascend, each one of 0 to 1",
        ),
        (
            {"pinned": ((0, 3),)},
            "pinned asks for 3 tokens after block 0: must be one of the problem's counts that "
            "least_count and multiple_of allow, or the full count",
        ),
        (
            {"pinned": ((0, 2), (1, 4))},
            "pinned asks for 4 tokens after block 1, above the 2 after block 0: a dropped "
            "token cannot return",
        ),
        (
            {"pinned": ((0, 2),), "earliest_cut": 1},
            "pinned asks for 2 tokens after block 0: no schedule leads there, since that takes "
            "1 more cuts and 0 blocks up to it may still cut",
        ),
        (
            {"pinned": ((0, 4), (1, 2)), "cut_blocks": (0,)},
            "pinned asks for 2 tokens after block 1: no schedule leads there, since that takes "
            "1 more cuts and 0 blocks up to it may still cut",
        ),
        (
            {"pinned": ((1, 2),), "largest_drop": 1},
            "pinned asks for 2 tokens after block 1: no schedule leads there, since "
            "largest_drop is 1",
        ),
        (
            {"pinned": ((1, 2),), "max_cuts": 0},
            "pinned is ((1, 2),): no schedule leads there, since that takes 1 cuts and "
            "max_cuts is 0",
        ),
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


@given(problem=problems())
def test_some_schedule_always_obeys_the_constraints(problem: Problem) -> None:
    """What was not refused has a schedule, whatever the budget."""
    assert next(every_schedule(problem), None) is not None


@given(data=st.data())
def test_only_pins_that_no_schedule_obeys_are_refused(data: st.DataObject) -> None:
    """Any pins: refused just where trying every schedule finds none that obeys them."""
    problem = replace(data.draw(problems()), pinned=())
    blocks = data.draw(st.sets(st.sampled_from(range(problem.depth)), min_size=1))
    counts = data.draw(schedules(problem))
    pins = tuple((block, counts[block]) for block in sorted(blocks))
    ways = [t for t in every_schedule(problem) if all(t[b] == c for b, c in pins)]
    try:
        replace(problem, pinned=pins)
    except ProblemError:
        assert not ways
    else:
        assert ways


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
