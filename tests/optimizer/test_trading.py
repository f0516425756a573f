"""The whole trade-off against single plans: one solve answers every budget."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.budget import Budget
from optimizer.optimizing import optimize
from optimizer.solution import Status
from optimizer.trading import find_tradeoff
from tests.optimizer.devices import TINY, operator_profile, profile_of, staircase_profile

PROFILE = staircase_profile()
FOUND = find_tradeoff("test_vit", profile=PROFILE)
CONSTRAINTS: tuple[dict[str, Any], ...] = (
    {"earliest_cut": 0, "multiple_of": 8},
    {"max_cuts": 1, "least_count": 30},
    {"cut_blocks": (2, 4), "latest_cut": 4, "largest_drop": 40},
    {"least_rate": 0.4, "pinned": ((3, 80),)},
    {"lossless_last": False},
    {"lossless_last": True},
)


@given(percent=st.integers(20, 99))
@settings(max_examples=60, deadline=None)
def test_every_budget_is_answered_as_a_plan_would(percent: int) -> None:
    plan = optimize("test_vit", budget=Budget.parse(f"{percent}%"), profile=PROFILE)
    point = FOUND.at(plan.budget_ns)
    if plan.status is Status.INFEASIBLE:
        assert point is None
        assert FOUND.points[0].latency_ns == plan.fastest_ns
    else:
        assert point is not None
        assert (point.schedule, point.latency_ns) == (plan.schedule, plan.predicted_ns)


@pytest.mark.parametrize("constraints", CONSTRAINTS)
@pytest.mark.parametrize("percent", [45, 60, 75, 90])
def test_constraints_bind_every_point(constraints: dict[str, Any], percent: int) -> None:
    found = find_tradeoff("test_vit", profile=PROFILE, **constraints)
    budget = Budget.parse(f"{percent}%")
    plan = optimize("test_vit", budget=budget, profile=PROFILE, **constraints)
    point = found.at(plan.budget_ns)
    assert (point is None) == (plan.status is Status.INFEASIBLE)
    if point is not None:
        assert (point.schedule, point.latency_ns) == (plan.schedule, plan.predicted_ns)


def test_no_rival_beats_a_free_schedule() -> None:
    """Free to cut where they do, the solver keeps as much at the latency of every point."""
    found = find_tradeoff("test_vit", profile=PROFILE, earliest_cut=0)
    assert [rival.method for rival in found.rivals] == ["POMT", "EViT", "ToMe"]
    for rival in found.rivals:
        assert rival.points[-1].schedule.tokens == (101,) * 6
        for point in rival.points:
            ours = found.at(point.latency_ns)
            assert ours is not None
            assert ours.schedule.kept_fraction >= point.schedule.kept_fraction


def test_rivals_cut_where_their_authors_do() -> None:
    """Whatever ours may: ToMe in block 0, EViT three times."""
    found = find_tradeoff("test_vit", profile=PROFILE, earliest_cut=4, max_cuts=1)
    _, evit, tome = found.rivals
    assert tome.points[0].schedule.cuts[0] == 0
    assert (1, 3, 4) in {point.schedule.cuts for point in evit.points}
    counted = find_tradeoff("test_vit", profile=PROFILE, multiple_of=8, least_count=40)
    for rival in counted.rivals:
        for point in rival.points:
            assert all(n == 101 or (n >= 40 and n % 8 == 0) for n in point.schedule.tokens)


def test_the_best_of_both_endings() -> None:
    """Where the head reads the class token alone, all tokens cost less than the model does."""
    both = FOUND.points
    for lossless in (True, False):
        for point in find_tradeoff("test_vit", profile=PROFILE, lossless_last=lossless).points:
            ours = FOUND.at(point.latency_ns)
            assert ours is not None
            assert ours.value >= point.value
    assert both[-1].schedule.kept_fraction == 1.0
    assert both[-1].latency_ns < FOUND.dense_ns


def test_what_it_stands_on_is_told() -> None:
    profile = profile_of(TINY, {1: 100, 101: 300}, warnings=("handle with care",))
    found = find_tradeoff(TINY, profile=profile)
    assert (found.model, found.batch, found.dtype) == ("test_vit", 1, "fp32")
    assert (found.full, found.prefix, found.profile) == (101, 1, "made-up")
    assert found.warnings[0] == "handle with care"
    assert found.provenance[0].startswith("measured curve of test_vit, 2 probes")


def test_batch_dtype_and_mode_are_the_profiles_to_know() -> None:
    operators = operator_profile()
    found = find_tradeoff("test_vit", profile=operators, batch=4, mode="sum")
    table = operators.table(TINY.at(batch=4, dtype="fp16"), mode="sum")
    assert (found.dtype, found.dense_ns) == ("fp16", table.dense_ns)
