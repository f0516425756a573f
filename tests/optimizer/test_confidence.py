from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latmodel.uncertainty import Uncertainty
from optimizer.checking import broken_by
from optimizer.confidence import Confident, solve_confident
from optimizer.errors import ProblemError, UndecidedError
from optimizer.problem import Problem
from optimizer.runs import bound_by_runs
from optimizer.solution import Status
from optimizer.solvers.exhaustive import every_schedule
from optimizer.solving import solve
from optimizer.tail import Tail
from tests.optimizer.drawing import draws_ns
from tests.optimizer.strategies import problems
from tests.optimizer.test_solvers import staircase

DRAWS = 20_000
"""Of the error model, for each schedule."""


@st.composite
def uncertain(draw: st.DrawFn, *, most: float = 0.3) -> tuple[Problem, Uncertainty]:
    """A small problem, latencies a thousandfold so that rounding decides little, its errors."""
    small = draw(problems())
    problem = replace(
        small,
        segment_ns=small.segment_ns * 1000,
        cut_ns=small.cut_ns * 1000,
        fixed_ns=small.fixed_ns * 1000,
        budget_ns=small.budget_ns * 1100,
    )
    width = len(problem.counts)
    errors = st.floats(1e-3, most) | st.just(0.0)
    alike = draw(st.booleans())
    shared = draw(errors) if alike else 0.0
    return problem, Uncertainty(
        shared=np.full(width, shared)
        if alike
        else np.array(draw(st.lists(errors, min_size=width, max_size=width))),
        independent=np.array(draw(st.lists(errors, min_size=width, max_size=width))),
        groups=np.cumsum(draw(st.lists(st.integers(0, 1), min_size=width, max_size=width))),
    )


def oracle(problem: Problem, tail: Tail) -> int | None:
    """The greatest value of all schedules whose quantile is within the budget."""
    within = [
        problem.value_of(tokens)
        for tokens in every_schedule(problem)
        if tail.upper_ns(problem, tokens) <= problem.budget_ns
    ]
    return max(within, default=None)


def solved(problem: Problem, errors: Uncertainty, confidence: float) -> Confident | None:
    try:
        return solve_confident(problem, errors, confidence)
    except UndecidedError:
        return None


@settings(max_examples=300, deadline=None)
@given(given_=uncertain(), confidence=st.sampled_from([0.5, 0.8, 0.95, 0.999]))
def test_the_answer_is_within_and_its_bound_holds(
    given_: tuple[Problem, Uncertainty], confidence: float
) -> None:
    """Against every schedule: never over the budget, never better than said, never missed."""
    problem, errors = given_
    tail = Tail.of(errors, confidence)
    truth, found = oracle(problem, tail), solved(problem, errors, confidence)
    if found is None:
        return  # said to be neither found nor excluded
    solution = found.solution
    assert broken_by(problem, solution.tokens) == ()
    assert found.upper_ns == tail.upper_ns(problem, solution.tokens)
    assert solution.value == problem.value_of(solution.tokens)
    assert solution.latency_ns == problem.latency_ns(solution.tokens)
    if truth is None:
        assert solution.status is Status.INFEASIBLE
        return
    assert solution.status is not Status.INFEASIBLE
    assert found.upper_ns <= problem.budget_ns
    assert solution.value <= truth <= solution.bound
    assert found.lost == found.plain.value - solution.value >= 0
    if solution.status is Status.OPTIMAL:
        assert solution.value == truth


@settings(max_examples=150, deadline=None)
@given(given_=uncertain(), confidence=st.sampled_from([0.6, 0.95]))
def test_shared_errors_alone_are_solved_exactly(
    given_: tuple[Problem, Uncertainty], confidence: float
) -> None:
    problem, errors = given_
    errors = replace(errors, independent=errors.independent * 0)
    found = solve_confident(problem, errors, confidence)
    assert found.solution.status.proved
    truth = oracle(problem, Tail.of(errors, confidence))
    assert (found.solution.status is Status.INFEASIBLE) == (truth is None)
    assert truth in (None, found.solution.value)


def test_a_latency_without_errors_is_not_rounded() -> None:
    """A budget that is met to the nanosecond is met, at any confidence."""
    ones = np.ones((2, 5), dtype=np.int64)
    problem = Problem(np.arange(1, 6), ones, 1000 * ones, 0 * ones, 2000, 4000)
    found = solve_confident(problem, Uncertainty.all_shared(np.zeros(5)), 0.95)
    assert found.solution.status is Status.OPTIMAL
    assert found.upper_ns == found.solution.latency_ns == 4000


def test_many_counts_average_out() -> None:
    """Six counts, pinned: their errors come to 0.41 of a shared one, as a budget may hold.

    A bound that took half of them as shared would say that no schedule keeps it.
    """
    counts, six = np.arange(1, 8), tuple((block, 6 - block) for block in range(6))
    problem = Problem(
        counts=counts,
        value=np.tile(counts, (6, 1)),
        segment_ns=np.full((6, 7), 1_000_000),
        cut_ns=np.zeros((6, 7), dtype=np.int64),
        fixed_ns=0,
        budget_ns=1,
        pinned=six,
    )
    errors = Uncertainty(shared=np.zeros(7), independent=np.full(7, 0.1), groups=np.arange(7))
    tokens = tuple(count for _, count in six)
    upper = Tail.of(errors, 0.95).upper_ns(problem, tokens)
    found = solve_confident(problem.with_budget(upper), errors, 0.95)
    assert (found.solution.status, found.solution.tokens) == (Status.OPTIMAL, tokens)


@pytest.mark.parametrize("seed", [3, 4, 9, 10])
def test_constraints_that_the_second_bound_leaves_out_are_obeyed(seed: int) -> None:
    problem = staircase(12, 197, seed, share=0.85, earliest=3, max_cuts=1)
    problem = replace(problem, cut_ns=problem.cut_ns // 8)
    found = solve_confident(problem, measured_errors(197), 0.95)
    assert broken_by(problem, found.solution.tokens) == ()
    assert found.solution.status is not Status.INFEASIBLE


def test_most_small_problems_are_solved_to_the_optimum() -> None:
    """Not only bounded: 9 in 10 of what can be met, and no refusal."""
    rng, best, all_ = np.random.default_rng(0), 0, 0
    for _ in range(60):
        width = 8
        segments = np.sort(rng.integers(10_000, 90_000, width)) * np.ones((4, 1), np.int64)
        problem = Problem(
            counts=np.arange(1, width + 1),
            value=np.tile(np.arange(1, width + 1), (4, 1)),
            segment_ns=segments,
            cut_ns=np.full((4, width), 2000),
            fixed_ns=20_000,
            budget_ns=int(20_000 + segments[:, -1].sum() * rng.uniform(0.6, 1)),
        )
        errors = Uncertainty(
            shared=np.full(width, 0.03),
            independent=rng.uniform(0, 0.06, width),
            groups=np.arange(width),
        )
        truth = oracle(problem, Tail.of(errors, 0.95))
        found = solve_confident(problem, errors, 0.95)
        if truth is not None:
            all_ += 1
            best += found.solution.value == truth
    assert all_ >= 50
    assert best >= 0.9 * all_


@settings(max_examples=150, deadline=None)
@given(given_=uncertain(), confidence=st.floats(0.5, 0.999), part=st.floats(0, 1))
def test_the_quantile_lies_between_both_sums(
    given_: tuple[Problem, Uncertainty], confidence: float, part: float
) -> None:
    """Of every schedule: the sum of no part is not above, the sum of the whole not below."""
    problem, errors = given_
    tail = Tail.of(errors, confidence)
    low, high = (tail.factors(end) for end in (0.0, 1.0))
    assert np.all(low <= tail.factors(part))
    for tokens in list(every_schedule(problem))[:50]:
        spent = problem.latency_by_count(tokens)
        upper = tail.upper_ns(problem, tokens)
        assert spent @ low <= upper * (1 + 1e-9)
        assert upper <= np.ceil(spent @ high * (1 + 1e-9))
        assert upper >= problem.latency_ns(tokens)


def test_the_bound_by_runs_holds_for_every_schedule() -> None:
    """On problems of every constraint, at every budget that decides something."""
    bounds = 0

    @settings(max_examples=200, deadline=None)
    @given(given_=uncertain(most=0.12), confidence=st.sampled_from([0.8, 0.95]))
    def holds(given_: tuple[Problem, Uncertainty], confidence: float) -> None:
        nonlocal bounds
        problem, errors = given_
        tail = Tail.of(errors, confidence)
        uppers = sorted({tail.upper_ns(problem, t) for t in every_schedule(problem)})
        for budget in uppers[1:-1:2]:
            asked = problem.with_budget(budget)
            found, truth = bound_by_runs(asked, tail), oracle(asked, tail)
            if found is not None and truth is not None:
                assert truth <= found.bound
                bounds += 1

    holds()
    assert bounds > 20


def test_the_bound_by_runs_is_close() -> None:
    """On DeiT-S's shape, a hundredth of the tokens or less; the plain bound is further off."""
    problem = staircase(12, 197, 9, share=0.75, earliest=3)
    errors = measured_errors(197)
    found = solve_confident(problem, errors, 0.95)
    relaxed = Tail.of(errors, 0.95).inflated(problem, 0.0, safe=False)
    assert found.solution.gap <= found.solution.value / 100
    assert found.solution.bound < solve(relaxed).value


def measured_errors(full: int, *, shared: float = 0.03) -> Uncertainty:
    """A curve with 24 probes: little error where it was timed, up to 5 % where it was not."""
    rng, timed = np.random.default_rng(1), np.zeros(full, dtype=bool)
    timed[rng.choice(full, 24, replace=False)] = timed[0] = timed[-1] = True
    probes, places = np.flatnonzero(timed), np.arange(full)
    groups = np.searchsorted(probes, places) + np.searchsorted(probes, places, side="right")
    return Uncertainty(
        shared=np.full(full, shared),
        independent=np.where(timed, 0.003, rng.uniform(0.01, 0.05, full)),
        groups=groups.astype(np.int64),
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_so_many_draws_meet_the_budget(seed: int, confidence: float) -> None:
    """The claim itself: of 20,000 draws at least that share, less 4 binomial deviations."""
    problem = staircase(12, 197, seed + 3, share=0.8, earliest=3)
    errors = measured_errors(197)
    found = solve_confident(problem, errors, confidence)
    assert found.solution.status is not Status.INFEASIBLE
    drawn = draws_ns(problem, errors, found.solution.tokens, DRAWS, seed=seed)
    tolerance = 4 * np.sqrt(confidence * (1 - confidence) / DRAWS)
    assert np.mean(drawn <= problem.budget_ns) >= confidence - tolerance
    plain = draws_ns(problem, errors, found.plain.tokens, DRAWS, seed=seed)
    assert np.mean(plain <= problem.budget_ns) < 0.7


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(
    ("shared", "independent"),
    [(0.05, 0.0), (0.0, 0.05), (0.03, 0.03), (0.3, 0.0), (0.0, 0.3), (0.2, 0.3), (0.77, 0.1)],
)
def test_the_quantile_is_that_of_brute_force(
    shared: float, independent: float, confidence: float
) -> None:
    """Never below by more than the draws' own error; and above by no more than 3 %."""
    problem = staircase(12, 197, 0, share=0.8, earliest=3)
    width = len(problem.counts)
    errors = Uncertainty(
        shared=np.full(width, shared),
        independent=np.full(width, independent),
        groups=np.arange(width),
    )
    tail = Tail.of(errors, confidence)
    for tokens in (
        (197,) * 12,
        (197,) * 4 + (150,) * 4 + (90,) * 4,
        tuple(range(197, 149, -4)),
    ):
        upper = tail.upper_ns(problem, tokens)
        drawn = draws_ns(problem, errors, tokens, 200_000, seed=5)
        deviation = np.sqrt(confidence * (1 - confidence) / len(drawn))
        low, high = np.quantile(drawn, [confidence - 4 * deviation, confidence + 4 * deviation])
        assert low <= upper
        assert upper <= high * (1 + 0.03 + independent**2)


def test_counts_of_one_group_move_together() -> None:
    """Two counts of one gap are no safer than one; of two gaps, safer."""
    problem = staircase(12, 197, 0, share=0.8, earliest=3)
    tokens = (197,) * 4 + (150,) * 4 + (149,) * 4
    errors = Uncertainty(
        shared=np.zeros(197), independent=np.full(197, 0.1), groups=np.arange(197)
    )
    together = replace(errors, groups=np.minimum(np.arange(197), 148))
    apart_ns, together_ns = (
        Tail.of(each, 0.95).upper_ns(problem, tokens) for each in (errors, together)
    )
    assert apart_ns < together_ns
    drawn = draws_ns(problem, together, tokens, 200_000, seed=2)
    assert np.quantile(drawn, 0.949) <= together_ns <= 1.01 * np.quantile(drawn, 0.951)


def test_one_count_has_the_quantile_of_the_curve() -> None:
    """As `Curve.upper_ns`: exp(z sigma) times the latency, but for the mean's own shift."""
    problem = staircase(12, 197, 0, share=0.8, earliest=3)
    errors = Uncertainty(
        shared=np.full(197, 0.03), independent=np.full(197, 0.04), groups=np.arange(197)
    )
    upper = Tail.of(errors, 0.95).upper_ns(problem, (197,) * 12)
    curve = problem.latency_ns((197,) * 12) * np.exp(1.6448536269514722 * 0.05)
    assert curve <= upper <= curve * np.exp(0.04**2)


def test_counts_that_were_timed_are_preferred() -> None:
    """By itself: 200 kept tokens are within the budget at counts that were timed alone."""
    full = 40
    problem = Problem(
        counts=np.arange(1, full + 1),
        value=np.tile(np.arange(1, full + 1), (6, 1)),
        segment_ns=np.tile(np.arange(1, full + 1) * 1000, (6, 1)),
        cut_ns=np.zeros((6, full), dtype=np.int64),
        fixed_ns=0,
        budget_ns=203_400,
        least_count=20,
    )
    timed = np.isin(problem.counts, [20, 30, 40])
    errors = Uncertainty(
        shared=np.full(full, 0.01),
        independent=np.where(timed, 0.0, 0.05),
        groups=np.arange(full),
    )
    found = solve_confident(problem, errors, 0.95)
    assert found.solution.value == 200
    assert set(found.solution.tokens) <= {20, 30, 40}
    assert not set(found.plain.tokens) <= {20, 30, 40}


def test_more_confidence_is_never_worth_more() -> None:
    problem, errors = staircase(12, 197, 4, share=0.85, earliest=3), measured_errors(197)
    found = [solve_confident(problem, errors, p) for p in (0.5, 0.8, 0.95, 0.99)]
    for less, more in pairwise(found):
        assert more.solution.value <= less.solution.bound
        assert more.lost >= 0


def test_a_budget_no_schedule_keeps_names_the_fastest() -> None:
    problem, errors = staircase(12, 197, 4, share=0.1, earliest=3), measured_errors(197)
    found = solve_confident(problem, errors, 0.95)
    assert found.solution.status is Status.INFEASIBLE
    assert found.upper_ns > problem.budget_ns
    assert found.lost == 0
    met = solve_confident(problem.with_budget(found.upper_ns), errors, 0.95)
    assert met.solution.status is not Status.INFEASIBLE


def test_a_budget_that_is_neither_met_nor_excluded_is_said() -> None:
    """Both sums leave room for a schedule, its own quantile does not."""
    two = np.array([[1, 2]])
    problem = Problem(np.array([1, 2]), two, two * 1_000_000, two * 0, 1_000_000, 2_250_000)
    errors = Uncertainty(
        shared=np.zeros(2), independent=np.array([0.1, 0.1]), groups=np.arange(2)
    )
    with pytest.raises(UndecidedError) as caught:
        solve_confident(problem, errors, 0.95)
    upper = Tail.of(errors, 0.95).upper_ns(problem, (1,))
    assert str(caught.value) == (
        "budget of 2250000 ns at confidence 0.95: no schedule was found that keeps it, nor a "
        f"proof that there is none; raise it to {upper} ns, which tokens (1,) keep"
    )


def test_a_time_limit_is_kept_and_said() -> None:
    problem, errors = staircase(12, 197, 9, share=0.75, earliest=3), measured_errors(197)
    found = solve_confident(problem, errors, 0.95, time_limit_s=1e-3)
    assert found.solution.status is Status.TIME_LIMIT
    assert found.upper_ns <= problem.budget_ns
    assert found.solution.value <= found.solution.bound


@pytest.mark.parametrize("confidence", [0.0, 0.49, 1.0, 95, float("nan")])
def test_a_confidence_is_a_probability_of_half_or_more(confidence: float) -> None:
    problem = staircase(2, 20, 0, share=0.8, earliest=0)
    with pytest.raises(ProblemError) as caught:
        solve_confident(problem, measured_errors(30).at(np.arange(20)), confidence)
    assert str(caught.value) == (
        f"confidence is {confidence}: must be 0.5 or more and below 1, such as 0.95"
    )
