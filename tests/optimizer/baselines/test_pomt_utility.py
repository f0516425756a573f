from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optimizer.baselines.pomt_utility import pomt_utility
from optimizer.errors import ProblemError
from optimizer.problem import Problem
from optimizer.solution import Status


def problem_of(latencies: dict[int, int], budget_ns: int = 10**6) -> Problem:
    """Four blocks that each take these latencies, by count."""
    counts = np.array(sorted(latencies))
    segments = np.array([[latencies[count] for count in sorted(latencies)]] * 4)
    return Problem(counts, np.tile(counts, (4, 1)), segments, segments * 0 + 7, 100, budget_ns)


def test_the_utility_by_hand() -> None:
    """L is 500, 300 and 140: at alpha 0.5, U is 0 + 0.5, 0.2 + 0.4 and 0.36 + 0.2.

    The middle wins; its block 0 runs uncut, so it lands at 100 + 100 + 3 * 50 + 7.
    """
    found = pomt_utility(problem_of({1: 10, 2: 50, 3: 100}), {1: 32.0, 2: 64.0, 3: 80.0})
    assert found.tokens == (3, 2, 2, 2)
    assert found.latency_ns == 357
    assert found.status is Status.FIXED_RULE


@pytest.mark.parametrize(("alpha", "chosen"), [(0.0, 3), (0.5, 2), (0.9, 1), (1.0, 1)])
def test_alpha_weighs_speed(alpha: float, chosen: int) -> None:
    problem = problem_of({1: 10, 2: 50, 3: 100})
    found = pomt_utility(problem, {1: 32.0, 2: 64.0, 3: 80.0}, alpha=alpha)
    assert found.tokens[-1] == chosen


def test_the_unit_of_accuracy_does_not_matter() -> None:
    problem, accuracy = problem_of({1: 10, 2: 50, 3: 100}), {1: 32.0, 2: 64.0, 3: 80.0}
    shares = {count: right / 100 for count, right in accuracy.items()}
    assert pomt_utility(problem, accuracy) == pomt_utility(problem, shares)


def test_of_equal_utility_the_larger_count() -> None:
    found = pomt_utility(problem_of({1: 50, 2: 50, 3: 50}), {1: 1.0, 2: 1.0, 3: 1.0})
    assert found.tokens == (3, 3, 3, 3)


def test_no_budget_is_looked_at() -> None:
    accuracy = {1: 32.0, 2: 64.0, 3: 80.0}
    tight = pomt_utility(problem_of({1: 10, 2: 50, 3: 100}, budget_ns=356), accuracy)
    assert (tight.status, tight.tokens) == (Status.RULE_FAILED, (3, 2, 2, 2))
    assert tight.latency_ns == 357


def test_only_counts_with_an_accuracy_are_considered() -> None:
    found = pomt_utility(problem_of({1: 10, 2: 50, 3: 100}), {1: 32.0, 3: 80.0})
    assert found.tokens[-1] == 1


def test_a_surplus_runs_more_than_was_chosen() -> None:
    problem, accuracy = problem_of({1: 10, 2: 50, 3: 100}), {1: 32.0, 2: 64.0, 3: 80.0}
    assert pomt_utility(problem, accuracy, surplus=1).tokens == (3, 3, 3, 3)
    assert pomt_utility(problem, accuracy, surplus=9).tokens == (3, 3, 3, 3), "no more than all"


@pytest.mark.parametrize(
    ("accuracy", "options", "message"),
    [
        (
            {4: 1.0},
            {},
            "accuracy holds 4 tokens: must be one of the problem's allowed counts, 1 to 5",
        ),
        ({}, {}, "accuracy must hold a number of 0 or more for at least one count"),
        ({1: -1.0}, {}, "accuracy must hold a number of 0 or more for at least one count"),
        (
            {1: float("nan")},
            {},
            "accuracy must hold a number of 0 or more for at least one count",
        ),
        ({1: 0.0}, {}, "accuracy is 0 at every count: no utility follows from it"),
        ({1: 1.0}, {"alpha": 1.5}, "alpha is 1.5: must be 0 to 1"),
        ({1: 1.0}, {"surplus": -1}, "surplus is -1: must be 0 or more"),
        (
            {1: 1.0},
            {"surplus": 2},
            "surplus is 2: 3 tokens would run, none of the problem's allowed counts",
        ),
    ],
)
def test_what_no_utility_follows_from_is_refused(
    accuracy: dict[int, float], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        pomt_utility(problem_of({1: 10, 2: 50, 5: 100}), accuracy, **options)
    assert str(caught.value) == message
