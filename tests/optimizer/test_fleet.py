from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.checking import broken_by
from optimizer.errors import ProblemError, SolverError
from optimizer.fleet import solve_fleet
from optimizer.problem import Problem
from optimizer.solution import Status
from optimizer.solvers.exhaustive import every_schedule
from optimizer.solvers.milp import milp_several
from optimizer.solving import solve
from optimizer.surrogate import Shares
from tests.optimizer.strategies import problems
from tests.optimizer.test_solvers import staircase


@st.composite
def fleets(draw: st.DrawFn) -> list[Problem]:
    """One to three devices whose latencies have nothing to do with each other."""
    first = replace(draw(problems(depths=3)))
    found = [first]
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 2]))):
        rng = np.random.default_rng(draw(st.integers(0, 10_000)))
        segments = rng.integers(0, 21, first.segment_ns.shape)
        top = int(segments.max(axis=1).sum()) + 5
        found.append(
            replace(
                first,
                segment_ns=segments,
                cut_ns=rng.integers(0, 7, first.cut_ns.shape),
                fixed_ns=int(rng.integers(0, 9)),
                budget_ns=draw(st.sampled_from(range(1, top + 1))),
            )
        )
    return [each.with_budget(max(each.budget_ns, 1)) for each in found]


def oracle(fleet: list[Problem]) -> int | None:
    """The greatest value of all schedules that meet every budget."""
    within = [
        fleet[0].value_of(tokens)
        for tokens in every_schedule(fleet[0])
        if all(each.latency_ns(tokens) <= each.budget_ns for each in fleet)
    ]
    return max(within, default=None)


@settings(max_examples=250, deadline=None)
@given(fleet=fleets())
def test_a_fleet_equals_trying_everything(fleet: list[Problem]) -> None:
    """Proved, or proved impossible, whatever the devices."""
    truth, found = oracle(fleet), solve_fleet(fleet)
    assert broken_by(fleet[0], found.tokens) == ()
    assert found.latency_ns == tuple(each.latency_ns(found.tokens) for each in fleet)
    assert found.value == fleet[0].value_of(found.tokens)
    if truth is None:
        assert found.status is Status.INFEASIBLE
    else:
        assert (found.status, found.value, found.bound) == (Status.OPTIMAL, truth, truth)
        assert all(a <= b for a, b in zip(found.latency_ns, found.budget_ns, strict=True))


@settings(max_examples=60, deadline=None)
@given(fleet=fleets(), part=st.sampled_from([0.0, 1.0]), seed=st.integers(0, 99))
def test_sums_are_met_by_too_many_and_the_dearest_by_too_few(
    fleet: list[Problem], part: float, seed: int
) -> None:
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(fleet)))
    blended = Shares.of(fleet).blended(weights, part)
    for tokens in every_schedule(fleet[0]):
        every = all(each.latency_ns(tokens) <= each.budget_ns for each in fleet)
        fits = blended.latency_ns(tokens) <= blended.budget_ns
        assert fits or not every or part == 1
        assert every or not fits or part == 0


def test_a_fleet_of_one_is_that_device() -> None:
    problem = staircase(12, 197, 5, share=0.8, earliest=3)
    found, alone = solve_fleet([problem]), solve(problem)
    assert (found.status, found.tokens) == (Status.OPTIMAL, alone.tokens)


@pytest.mark.parametrize("seed", range(3))
def test_devices_of_full_size(seed: int) -> None:
    """Three staircases of unlike tiles: every budget met, no more than each alone could do."""
    fleet = [
        staircase(12, 197, 10 * seed + k, share=0.75 + 0.05 * k, earliest=3) for k in range(3)
    ]
    found = solve_fleet(fleet, time_limit_s=3)
    alone = [solve(each).value for each in fleet]
    assert all(a <= b for a, b in zip(found.latency_ns, found.budget_ns, strict=True))
    assert found.value <= found.bound <= min(alone)
    assert found.gap <= 0.02 * found.value
    used = [a / b for a, b in zip(found.latency_ns, found.budget_ns, strict=True)]
    assert used[found.worst] == max(used)


def test_highs_closes_what_sums_leave_open() -> None:
    """Two devices of which each likes what the other does not: no sum of budgets is enough."""
    counts = np.array([1, 2, 3, 4])
    plain = Problem(
        counts=counts,
        value=np.array([[0, 9, 10, 9]]),
        segment_ns=np.array([[0, 5, 0, 10]]),
        cut_ns=np.zeros((1, 4), dtype=np.int64),
        fixed_ns=0,
        budget_ns=6,
    )
    other = replace(plain, segment_ns=np.array([[0, 5, 10, 0]]))
    found = solve_fleet([plain, other])
    assert (found.status, found.tokens) == (Status.OPTIMAL, (2,))
    assert milp_several([plain, other]).tokens == (2,)
    assert milp_several([plain, other], above=9).bound == 9


def test_highs_looks_for_whatever_is_worth_more() -> None:
    """A schedule worth one more than what is in hand is found, and none worth the same."""
    one = np.array([[10, 11]])
    problem = Problem(np.array([1, 2]), one, one * 0, one * 0, 0, 5)
    found = [milp_several([problem, problem], above=above) for above in (9, 10, 11)]
    assert [each.tokens for each in found] == [(2,), (2,), None]
    assert found[2].bound == 11


def test_budgets_that_exclude_each_other_are_infeasible() -> None:
    """Each can be met, and half of each together; HiGHS proves that both cannot."""
    one = np.array([[10, 0]])
    fast = Problem(np.array([1, 2]), one * 0, one, one * 0, 0, 6)
    found = solve_fleet([fast, replace(fast, segment_ns=np.array([[0, 10]]))])
    assert found.status is Status.INFEASIBLE


def test_time_that_is_up_is_said() -> None:
    one = np.array([[10, 0]])
    fast = Problem(np.array([1, 2]), one * 0, one, one * 0, 0, 6)
    with pytest.raises(SolverError) as caught:
        solve_fleet([fast, replace(fast, segment_ns=np.array([[0, 10]]))], time_limit_s=1e-9)
    assert str(caught.value) == (
        "no schedule was found in 1e-09 s that meets every budget, nor a proof that there is "
        "none: give more time, or raise the budgets"
    )


def test_fleets_that_contradict_themselves_are_refused() -> None:
    problem = staircase(2, 20, 0, share=0.8, earliest=0)
    cases = [
        ([], 1.0, "problems is empty: give one for each device"),
        ([problem], 0.0, "time_limit_s is 0.0: must be above 0"),
        ([problem.with_budget(0)], 1.0, "problem 0: budget_ns is 0: must be 1 or more"),
        (
            [problem, replace(problem, value=problem.value + 1)],
            1.0,
            "problem 1: value differs from problem 0's",
        ),
        (
            [problem, replace(problem, max_cuts=1)],
            1.0,
            "problem 1: max_cuts differs from problem 0's",
        ),
    ]
    for fleet, limit, message in cases:
        with pytest.raises(ProblemError) as caught:
            solve_fleet(fleet, time_limit_s=limit)
        assert str(caught.value) == message
