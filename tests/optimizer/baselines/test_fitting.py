from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from latmodel.flops import attention_flops, ends_flops, mlp_flops, schedule_flops
from latmodel.workloads import find_workload
from optimizer.baselines.fitting import (
    constant_drop,
    equal_ratios,
    fit_flops,
    fit_latency,
    fixed_ratios,
    non_dominated,
    one_cut,
)
from optimizer.baselines.shapes import ONE_CUT, SHAPES, Shape
from optimizer.checking import broken_by, check
from optimizer.errors import ProblemError
from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.pareto import pareto
from tests.optimizer.devices import TINY
from tests.optimizer.strategies import problems

Tokens = tuple[int, ...]


def problem_of_tiny(share: float, **constraints: Any) -> Problem:
    """0.5 ms of ends, 2 of the first attention; 1 per tile of 32 and segment, the last half."""
    counts = np.arange(1, 102)
    segments = np.tile(1_000_000 * -(-counts // 32), (6, 1))
    segments[-1] //= 2
    return Problem(
        counts=counts,
        value=np.tile(counts, (6, 1)),
        segment_ns=segments,
        cut_ns=np.full((6, 101), 10_000),
        fixed_ns=2_500_000,
        budget_ns=round(24_500_000 * share),
        **constraints,
    )


def snapped(problem: Problem, tokens: Tokens) -> Tokens | None:
    """The nearest allowed count below each; None where there is none."""
    allowed = [int(c) for c in problem.counts[problem.allowed]]
    if min(tokens) < allowed[0]:
        return None
    return tuple(max(c for c in allowed if c <= count) for count in tokens)


def every(problem: Problem, shape: Shape, prefix: int) -> list[Tokens]:
    """By brute force: one schedule after the other, in plain Python."""
    wanted = shape.schedules(problem.depth, problem.full, prefix).tolist()
    found = [snapped(problem, tuple(row)) for row in wanted]
    return [t for t in found if t is not None and not broken_by(problem, t)]


@pytest.mark.parametrize("shape", SHAPES)
@given(problem=problems(depths=6, options=8), data=st.data())
@settings(max_examples=250, deadline=None)
def test_the_largest_parameter_that_fits(
    shape: Shape, problem: Problem, data: st.DataObject
) -> None:
    prefix = data.draw(st.integers(0, problem.full - 1))
    tried = every(problem, shape, prefix)
    if not tried:
        with pytest.raises(ProblemError, match=rf"^no schedule of {shape.name} obeys the "):
            fit_latency(problem, shape, prefix=prefix)
        return
    found = fit_latency(problem, shape, prefix=prefix)
    within = [t for t in tried if problem.latency_ns(t) <= problem.budget_ns]
    if within:
        assert (found.status, found.tokens) == (Status.FIXED_RULE, within[0])
    else:
        assert found.status is Status.RULE_FAILED
        assert found.latency_ns == min(map(problem.latency_ns, tried))
    assert found.latency_ns == problem.latency_ns(found.tokens)
    assert found.value == problem.value_of(found.tokens)
    assert check(problem, found) == ()


@pytest.mark.parametrize("shape", SHAPES)
@given(problem=problems(depths=6, options=8), prefix=st.integers(0, 2))
@settings(max_examples=250, deadline=None)
def test_no_shape_beats_the_exact_solver(shape: Shape, problem: Problem, prefix: int) -> None:
    """At the same budget, and at the latency where the shape lands."""
    assume(every(problem, shape, min(prefix, problem.full - 1)))
    found = fit_latency(problem, shape, prefix=min(prefix, problem.full - 1))
    best = pareto(problem.with_budget(found.latency_ns))
    assert best.status is Status.OPTIMAL
    assert found.value <= best.value <= found.bound
    if not found.status.over_budget:
        assert found.value <= pareto(problem).value


@pytest.mark.parametrize("shape", SHAPES)
@given(problem=problems(depths=6, options=8), budget=st.integers(0, 150))
@settings(max_examples=150, deadline=None)
def test_non_dominated_answers_every_budget(
    shape: Shape, problem: Problem, budget: int
) -> None:
    """The last point within a budget is worth the most that the shape can be there."""
    assume(every(problem, shape, 0))
    points = non_dominated(problem, shape, prefix=0)
    assert {point.status for point in points} == {Status.FIXED_RULE}
    latencies, values = [p.latency_ns for p in points], [p.value for p in points]
    assert latencies == sorted(set(latencies))
    assert values == sorted(set(values))
    tried = every(problem, shape, 0)
    assert {point.tokens for point in points} <= set(tried)
    worth = [problem.value_of(t) for t in tried if problem.latency_ns(t) <= budget]
    within = [p.value for p in points if p.latency_ns <= budget]
    assert max(within, default=None) == max(worth, default=None)


@pytest.mark.parametrize(
    ("solver", "tokens"),
    [
        (one_cut, (101, 64, 64, 64, 64, 64)),
        (equal_ratios, (101, 80, 80, 64, 52, 52)),
        (fixed_ratios, (101, 80, 80, 64, 52, 52)),
        (constant_drop, (93, 85, 77, 69, 61, 53)),
    ],
)
def test_on_a_staircase(solver: object, tokens: Tokens) -> None:
    """Each stops at an edge: the next larger parameter would need one more tile somewhere."""
    assert callable(solver)
    found = solver(problem_of_tiny(0.75))
    assert found.tokens == tokens
    assert found.latency_ns <= problem_of_tiny(0.75).budget_ns


def test_one_cut_by_hand() -> None:
    """Within 18.375 ms: 2.5 fixed, 4 uncut, 9 at two tiles, 0.01 of the cut.

    At three tiles 13.5 in place of 9 would make 20.01.
    """
    found = one_cut(problem_of_tiny(0.75))
    assert (found.tokens, found.latency_ns) == ((101, 64, 64, 64, 64, 64), 15_510_000)
    assert found.value == 101 + 5 * 64
    assert found.status is Status.FIXED_RULE


def test_a_loose_budget_leaves_the_model_uncut() -> None:
    for solver in (one_cut, equal_ratios, fixed_ratios, constant_drop):
        assert solver(problem_of_tiny(1.0)).tokens == (101,) * 6


def test_a_shape_that_cannot_meet_the_budget_says_so() -> None:
    """One cut at block 1 cannot, though a cut at block 0 would."""
    problem = problem_of_tiny(0.4)
    found = one_cut(problem)
    assert found.status is Status.RULE_FAILED
    assert found.status.value == "over the budget by a fixed rule; another schedule may meet it"
    assert found.latency_ns > problem.budget_ns
    assert pareto(problem).status is Status.OPTIMAL


def test_constraints_of_the_problem_bind_a_shape() -> None:
    """ToMe cuts block 0: where that is forbidden nothing but the uncut model is left."""
    problem = problem_of_tiny(0.75, earliest_cut=1)
    assert constant_drop(problem).tokens == (101,) * 6
    assert constant_drop(replace(problem, earliest_cut=0)).tokens[0] < 101
    assert set(equal_ratios(problem_of_tiny(0.75, multiple_of=8)).tokens) == {101, 80, 64, 56}


def test_constraints_that_no_schedule_of_a_shape_obeys_are_an_error() -> None:
    """Block 2 is pinned to 50 tokens, and block 5 to 40: one cut cannot."""
    problem = replace(problem_of_tiny(0.75), pinned=((2, 50), (5, 40)))
    with pytest.raises(ProblemError) as caught:
        one_cut(problem)
    assert str(caught.value) == (
        "no schedule of one cut obeys the problem's constraints: lift those that are not the "
        "method's own"
    )


def test_a_prefix_without_patches_is_refused() -> None:
    for prefix in (-1, 101):
        with pytest.raises(ProblemError) as caught:
            one_cut(problem_of_tiny(0.75), prefix=prefix)
        assert str(caught.value) == (
            f"prefix is {prefix}: must be 0 or more and below the full count (101)"
        )


def test_flops_of_a_schedule_by_hand() -> None:
    """Block 0 attends to all; the cut of block i changes its MLP and the next attention."""
    tokens = (101, 101, 50, 50, 20, 20)
    attentions = [attention_flops(TINY, n) for n in (101, 101, 101, 50, 50, 20)]
    mlps = [mlp_flops(TINY, n) for n in tokens]
    assert schedule_flops(TINY, tokens) == ends_flops(TINY) + sum(attentions) + sum(mlps)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
def test_tuned_to_arithmetic(shape: Shape, share: float) -> None:
    """The largest parameter within the share, by brute force; latency is what it is."""
    problem = problem_of_tiny(share)
    found = fit_flops(problem, shape, TINY)
    target = (
        schedule_flops(TINY, (101,) * 6) * problem.budget_ns / problem.latency_ns((101,) * 6)
    )
    fits = [t for t in every(problem, shape, 1) if schedule_flops(TINY, t) <= target]
    assert found.tokens == fits[0]
    assert found.latency_ns == problem.latency_ns(found.tokens)
    assert found.status.over_budget == (found.latency_ns > problem.budget_ns)


def test_arithmetic_is_not_latency() -> None:
    """60 % of the arithmetic leaves 43 tokens, two tiles: 2.5 + 4 + 9.01 ms, 63 % of 24.5."""
    found = fit_flops(problem_of_tiny(0.6), ONE_CUT, TINY)
    assert (found.tokens, found.latency_ns) == ((101, 43, 43, 43, 43, 43), 15_510_000)
    assert found.status is Status.RULE_FAILED
    assert one_cut(problem_of_tiny(0.6)).tokens[-1] == 32


def test_an_impossible_share_gives_the_least_arithmetic() -> None:
    found = fit_flops(problem_of_tiny(0.5), ONE_CUT, TINY, share=1e-6)
    assert found.tokens == (101, 2, 2, 2, 2, 2)


def test_arithmetic_is_of_the_same_model_and_above_zero() -> None:
    with pytest.raises(ProblemError) as caught:
        fit_flops(problem_of_tiny(0.5), ONE_CUT, find_workload("deit_tiny_patch16_224"))
    assert str(caught.value) == (
        "the problem has 6 blocks of 101 tokens, deit_tiny_patch16_224 12 of 197: both must "
        "be the same"
    )
    with pytest.raises(ProblemError) as caught:
        fit_flops(problem_of_tiny(0.5), ONE_CUT, TINY, share=0.0)
    assert str(caught.value) == "share is 0.0: must be above 0"


def test_statuses_say_whether_the_budget_is_met() -> None:
    over = {status for status in Status if status.over_budget}
    assert over == {Status.INFEASIBLE, Status.RULE_FAILED}


def test_a_baseline_is_a_solver() -> None:
    solution: Solution = one_cut(problem_of_tiny(0.75))
    assert solution.bound == 6 * 101
