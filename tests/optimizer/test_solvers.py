from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.checking import check
from optimizer.errors import InfeasibleError, ProblemError, SolverError
from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.exhaustive import exhaustive
from optimizer.solvers.milp import milp
from optimizer.solvers.pareto import pareto
from optimizer.solving import Solver, solve
from tests.optimizer.strategies import problems


def staircase(
    depth: int,
    full: int,
    seed: int,
    *,
    share: float,
    earliest: int,
    max_cuts: int | None = None,
) -> Problem:
    """A full-size problem on a made-up device: tile steps, slopes, dips and noise."""
    rng = np.random.default_rng(seed)
    counts = np.arange(1, full + 1)
    tile = rng.choice([32, 48, 64, 128])
    curve = 200 + 300 * -(-counts // tile) + rng.uniform(0, 2) * counts
    curve = curve * rng.uniform(0.97, 1.03, full) * np.where(counts % 97 < 12, 1.1, 1.0)
    segments = np.tile((1000 * curve).astype(np.int64), (depth, 1))
    return Problem(
        counts=counts,
        value=np.tile(counts, (depth, 1)),
        segment_ns=segments,
        cut_ns=np.full((depth, full), int(segments[0, -1] * rng.uniform(0, 0.05))),
        fixed_ns=int(rng.integers(0, 10**5)),
        budget_ns=int(segments[:, -1].sum() * share),
        earliest_cut=earliest,
        max_cuts=max_cuts,
    )


@settings(max_examples=3000, deadline=None)
@given(problem=problems())
def test_pareto_equals_trying_everything(problem: Problem) -> None:
    """An exact solver is exact: the same schedule, ties included, as exhaustive search."""
    assert pareto(problem) == exhaustive(problem)


@settings(max_examples=150, deadline=None)
@given(problem=problems())
def test_milp_equals_trying_everything(problem: Problem) -> None:
    """HiGHS, the second opinion, finds the same status, and the same optimum."""
    ours, truth = milp(problem), exhaustive(problem)
    assert ours.status is truth.status
    if truth.status is Status.OPTIMAL:
        assert ours.value == truth.value
    else:
        assert ours.latency_ns == truth.latency_ns


@pytest.mark.parametrize(
    ("seed", "max_cuts"), [*((seed, None) for seed in range(18)), (1, 3), (3, 1)]
)
def test_pareto_equals_highs_at_full_size(seed: int, max_cuts: int | None) -> None:
    """On DeiT-S's 12 blocks and 197 counts both give the same value, proved twice."""
    share = (0.45, 0.55, 0.65, 0.75, 0.85, 0.95)[seed % 6]
    problem = staircase(12, 197, seed, share=share, earliest=3, max_cuts=max_cuts)
    ours, second = pareto(problem), milp(problem)
    assert (ours.status, ours.value) == (second.status, second.value)


@given(problem=problems(), more=st.integers(0, 30))
@settings(max_examples=300, deadline=None)
def test_more_budget_is_never_worse(problem: Problem, more: int) -> None:
    less, greater = pareto(problem), pareto(problem.with_budget(problem.budget_ns + more))
    if less.status is Status.OPTIMAL:
        assert greater.status is Status.OPTIMAL
        assert greater.value >= less.value


@pytest.mark.parametrize("solver", [pareto, milp])
@given(problem=problems())
@settings(max_examples=150, deadline=None)
def test_solutions_obey_every_constraint(solver: Solver, problem: Problem) -> None:
    """Checked from the tokens alone, without the solver's own tables."""
    assert check(problem, solver(problem)) == ()


@pytest.mark.parametrize("seed", range(6))
def test_every_constraint_at_full_size(seed: int) -> None:
    """All constraints at once on 12 blocks and 197 counts: HiGHS gives the same value."""
    problem = replace(
        staircase(12, 197, seed, share=0.8, earliest=2, max_cuts=4),
        latest_cut=10,
        cut_blocks=(1, 2, 4, 5, 7, 8, 10, 11),
        pinned=((3, 176), (6, 160)),
        largest_drop=40,
        multiple_of=4,
    )
    ours, second = pareto(problem), milp(problem)
    assert (ours.status, ours.value) == (Status.OPTIMAL, second.value)
    assert check(problem, ours) == ()


def rugged(seed: int) -> Problem:
    """A problem whose bound is far from its optimum, on 6 blocks and 40 counts."""
    rng = np.random.default_rng(seed)
    shape = (6, 40)
    return Problem(
        counts=np.arange(1, 41),
        value=rng.integers(0, 1000, shape),
        segment_ns=rng.integers(1, 1000, shape) ** 2,
        cut_ns=rng.integers(0, 20000, shape),
        fixed_ns=7,
        budget_ns=int(rng.integers(300_000, 900_000)),
        max_cuts=int(rng.integers(2, 7)),
        largest_drop=int(rng.integers(5, 40)),
    )


@pytest.mark.parametrize("seed", range(6))
def test_a_crowd_of_labels_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few labels allowed at first every step and bound is refined on the way."""
    problem = rugged(seed)
    easy, second = pareto(problem), milp(problem)
    assert (easy.status, easy.value) == (second.status, second.value)
    for labels in (5, 20, 40, 80, 160, 320):
        monkeypatch.setattr(
            "optimizer.solvers.pareto._WIDTH", labels - problem.value.size // 50
        )
        assert pareto(problem, time_limit_s=20) == easy


@pytest.mark.parametrize("labels", [50, 100, 200, 400])
def test_finer_bounds_do_away_with_a_crowd(
    labels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gap too crowded for coarse bounds may be one that fails under fine ones."""
    problem = staircase(8, 120, 11, share=0.6, earliest=0)
    easy = pareto(problem)
    monkeypatch.setattr("optimizer.solvers.pareto._WIDTH", labels - problem.value.size // 50)
    assert pareto(problem, time_limit_s=20) == easy


def test_ends_are_spread_in_parts_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = rugged(1)
    whole = pareto(problem)
    monkeypatch.setattr("optimizer.solvers.growing._PAIRS", 7)
    assert pareto(problem) == whole


@pytest.mark.parametrize("solver", [pareto, exhaustive])
def test_a_stopped_solver_gives_a_schedule_and_a_bound(solver: Solver) -> None:
    """Feasible, its gap stated, and the optimum between value and bound."""
    problem = rugged(2)
    stopped = solver(problem, time_limit_s=1e-9 if solver is pareto else 0.05)
    assert stopped.status is Status.TIME_LIMIT
    assert check(problem, stopped) == ()
    best = pareto(problem)
    assert stopped.value <= best.value <= stopped.bound
    assert stopped.gap == stopped.bound - stopped.value > 0
    assert best.gap == 0


def test_a_stopped_solver_still_names_the_fastest() -> None:
    problem = rugged(2).with_budget(0)
    stopped = solve(problem, time_limit_s=1e-9)
    assert stopped.status is Status.INFEASIBLE
    assert stopped.latency_ns == pareto(problem).latency_ns
    assert check(problem, stopped) == ()


@pytest.mark.parametrize("limit", [0, -1.5, float("nan")])
def test_a_time_limit_is_positive(limit: float) -> None:
    with pytest.raises(ProblemError) as caught:
        solve(rugged(0), time_limit_s=limit)
    assert str(caught.value) == (
        f"time_limit_s is {limit}: must be above 0; leave it out to never stop"
    )


def test_equal_value_prefers_lower_latency() -> None:
    """The first rule for ties: two schedules keep 5, the one that costs 5 ns wins."""
    counts, cut = np.array([2, 3]), np.zeros((2, 2), dtype=np.int64)
    segments = np.array([[9, 3], [2, 9]])
    problem = Problem(counts, np.tile(counts, (2, 1)), segments, cut, 0, 11)
    assert pareto(problem).tokens == (3, 2)
    assert pareto(problem).latency_ns == 5


def test_equal_latency_prefers_later_cuts() -> None:
    """The second rule for ties: (4, 2) and (3, 3) keep 6 at equal cost; (4, 2) cuts later."""
    counts = np.array([2, 3, 4])
    tables = np.tile(counts, (2, 1))
    problem = Problem(counts, tables, tables, np.zeros((2, 3), dtype=np.int64), 0, 6)
    assert pareto(problem).tokens == (4, 2)


def test_infeasible_names_the_fastest_schedule() -> None:
    problem = staircase(12, 197, 0, share=0.01, earliest=3)
    solution = solve(problem)
    assert solution.status is Status.INFEASIBLE
    assert solution.latency_ns == pareto(problem.with_budget(solution.latency_ns)).latency_ns
    assert pareto(problem.with_budget(solution.latency_ns - 1)).status is Status.INFEASIBLE


def test_throw_raises_with_the_fastest_schedule() -> None:
    one = np.array([[10]])
    problem = Problem(np.array([4]), one, one, one * 0, 3, 12)
    with pytest.raises(InfeasibleError) as caught:
        solve(problem, throw=True)
    assert str(caught.value) == (
        "no schedule meets the budget of 12 ns; the fastest takes 13 ns with tokens (4,)"
    )
    assert solve(replace(problem, budget_ns=13), throw=True).tokens == (4,)


def test_large_values_do_not_overflow() -> None:
    """Values and latencies near the limit of 2**60 are still added exactly."""
    counts, big = np.array([1, 2]), (1 << 58) - 1
    value, segments = np.array([[big - 1, big]] * 3), np.array([[big // 2, big]] * 3)
    cut = np.zeros((3, 2), dtype=np.int64)
    problem = Problem(counts, value, segments, cut, 0, 2 * big + big // 2)
    assert pareto(problem) == exhaustive(problem)
    assert pareto(problem).tokens == (2, 2, 1)


def test_milp_without_time_is_no_answer() -> None:
    """A solver that was stopped never says OPTIMAL."""
    problem = staircase(12, 197, 3, share=0.7, earliest=3)
    try:
        stopped: Solution | None = milp(problem, time_limit_s=0.2)
    except SolverError as error:
        assert str(error).startswith("HiGHS gave no schedule: ")  # noqa: PT017
        stopped = None
    if stopped is not None and stopped.status is Status.TIME_LIMIT:
        assert stopped.value <= pareto(problem).value <= stopped.bound
