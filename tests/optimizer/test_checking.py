from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.checking import broken_by, check
from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.exhaustive import every_schedule, exhaustive
from tests.optimizer.strategies import problems, schedules

COUNTS = np.array([2, 3, 4, 8])
PROBLEM = Problem(
    counts=COUNTS,
    value=np.tile(COUNTS, (3, 1)),
    segment_ns=np.tile(10 * COUNTS, (3, 1)),
    cut_ns=np.full((3, 4), 1),
    fixed_ns=5,
    budget_ns=300,
)


@given(problem=problems())
@settings(max_examples=300, deadline=None)
def test_the_oracle_breaks_nothing(problem: Problem) -> None:
    assert check(problem, exhaustive(problem)) == ()


@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_a_damaged_solution_is_caught(data: st.DataObject) -> None:
    """Any other number, status or length in a good solution breaks a rule."""
    problem = data.draw(problems())
    good = exhaustive(problem)
    field = data.draw(st.sampled_from(["value", "latency_ns", "bound", "status", "tokens"]))
    damaged: Any
    if field == "status":
        infeasible = good.status is Status.INFEASIBLE
        damaged = Status.OPTIMAL if infeasible else Status.INFEASIBLE
    elif field == "tokens":
        extra = (good.tokens[-1],) * data.draw(st.integers(1, 2))
        damaged = data.draw(st.sampled_from([good.tokens[:-1], good.tokens + extra]))
    else:
        damaged = getattr(good, field) + data.draw(st.integers(-9, 9).filter(bool))
    assert check(problem, replace(good, **{field: damaged}))


@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_a_schedule_breaks_nothing_just_where_it_is_allowed(data: st.DataObject) -> None:
    """The rules written out here and those of exhaustive search tell the same schedules."""
    problem = data.draw(problems())
    tokens = data.draw(schedules(problem))
    assert (broken_by(problem, tokens) == ()) == (tokens in set(every_schedule(problem)))


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_rising_counts_are_caught(data: st.DataObject) -> None:
    problem = data.draw(problems())
    tokens = tuple(reversed(data.draw(schedules(problem))))
    assume((problem.full, *tokens) != tuple(sorted((problem.full, *tokens), reverse=True)))
    assert broken_by(problem, tokens)


@pytest.mark.parametrize(
    ("change", "tokens", "message"),
    [
        ({}, (8, 4), "there are 2 counts for 3 blocks"),
        ({}, (8, 5, 4), "block 1: 5 is none of the problem's counts"),
        ({}, (4, 4, 8), "block 2: 8 tokens after 4"),
        ({"earliest_cut": 1}, (4, 4, 4), "block 0 drops tokens: earliest_cut is 1"),
        ({"latest_cut": 1}, (8, 8, 4), "block 2 drops tokens: latest_cut is 1"),
        ({"cut_blocks": (0, 2)}, (8, 4, 4), "block 1 drops tokens: cut_blocks are (0, 2)"),
        ({"max_cuts": 1}, (8, 4, 2), "2 blocks drop tokens: max_cuts is 1"),
        ({"largest_drop": 3}, (8, 4, 2), "block 1 drops 4 tokens: largest_drop is 3"),
        ({"least_count": 3}, (8, 8, 2), "block 2: 2 tokens, least_count is 3"),
        ({"multiple_of": 2}, (8, 8, 3), "block 2: 3 is no multiple of 2"),
        ({"pinned": ((1, 4),)}, (8, 8, 4), "block 1: 8 tokens, pinned are 4"),
    ],
)
def test_each_rule_is_named(
    change: dict[str, Any], tokens: tuple[int, ...], message: str
) -> None:
    assert broken_by(replace(PROBLEM, **change), tokens) == (message,)


@pytest.mark.parametrize(
    ("solution", "messages"),
    [
        (
            Solution(Status.OPTIMAL, (8, 8, 4), 21, 207, 20),
            (
                "value is said to be 21: it is 20",
                "latency is said to be 207 ns: it is 206 ns",
                "bound is 20: must equal the value (21)",
            ),
        ),
        (
            Solution(Status.INFEASIBLE, (8, 8, 4), 20, 206, 20),
            ("status says infeasible: 206 ns meet the budget of 300 ns",),
        ),
        (
            Solution(Status.TIME_LIMIT, (8, 8, 4), 20, 206, 19),
            ("bound is 19, below the value (20)",),
        ),
        (Solution(Status.TIME_LIMIT, (8, 8, 4), 20, 206, 22), ()),
    ],
)
def test_each_wrong_number_is_named(solution: Solution, messages: tuple[str, ...]) -> None:
    assert check(PROBLEM, solution) == messages


def test_a_broken_budget_is_named() -> None:
    solution = Solution(Status.OPTIMAL, (8, 8, 4), 20, 206, 20)
    assert check(PROBLEM.with_budget(205), solution) == (
        "latency is 206 ns, over the budget of 205 ns",
    )
