"""Tight budgets: the earliest cut gives way by a rule, and says so."""

from __future__ import annotations

from typing import Any

import pytest

from latmodel.workloads import find_workload
from optimizer.baselines.fitting import one_cut
from optimizer.budget import Budget
from optimizer.optimizing import optimize
from optimizer.plan import Plan
from optimizer.solution import Status
from optimizer.yielding import starved_below
from tests.optimizer.devices import profile_of

DEIT = find_workload("deit_small_patch16_224")
FLAT = profile_of(DEIT, {1: 200_000, 99: 620_000, 197: 1_200_000})
"""Twelve blocks whose latency is two straight lines: keeping all in the first blocks and
little in the last costs what keeping half everywhere does."""

FLOOR = starved_below(197)


def plan(percent: int, **options: Any) -> Plan:
    return optimize(DEIT.model, budget=Budget.parse(f"{percent}%"), profile=FLAT, **options)


def test_a_loose_budget_is_met_as_if_there_were_no_rule() -> None:
    for percent in (95, 80, 70):
        found = plan(percent)
        assert found.schedule == plan(percent, earliest_cut=3).schedule
        assert found.earliest_cut == 3
        assert not found.warnings
        assert found.schedule.worth[-1] >= FLOOR


def test_a_quarter_stays_where_counting_alone_would_leave_less() -> None:
    free, found = plan(60, earliest_cut=3), plan(60)
    assert free.schedule.worth[-1] == 42
    assert found.earliest_cut == 3
    assert min(found.schedule.worth) == FLOOR + 1
    assert found.schedule == plan(60, earliest_cut=3, least_count=FLOOR).schedule
    assert found.warnings == (
        "the budget is tight, so every block must keep 50 of 197 tokens, where counting them "
        "alone would leave 42 in the last; a measured value per block (--objective fidelity) "
        "chooses better",
    )


def test_the_latest_earliest_cut_that_leaves_a_quarter_is_taken() -> None:
    found = plan(50)
    met = [
        earliest
        for earliest in range(4)
        if not plan(50, earliest_cut=earliest, least_count=FLOOR).status.over_budget
    ]
    assert found.earliest_cut == max(met) == 1
    assert found.status is Status.OPTIMAL
    assert min(found.schedule.worth) >= FLOOR
    assert found.warnings[0].startswith(
        "the budget is tight, so the first cut may come at block 1 in place of 3 and every "
        "block must keep 50 of 197 tokens, where counting them alone would leave "
    )
    assert len(found.warnings) == 1


@pytest.mark.parametrize("percent", [34, 36, 38, 40, 42, 44])
def test_tighter_still_every_block_keeps_what_the_budget_allows(percent: int) -> None:
    """No larger least count meets the budget, and the second warning says that it is few."""
    found = plan(percent)
    kept = min(found.schedule.worth)
    assert found.earliest_cut == 1
    assert kept < FLOOR
    assert plan(percent, earliest_cut=1, least_count=kept + 1).status.over_budget
    assert found.warnings[1].startswith(f"the last block keeps {kept} of 197 tokens: ")


def test_a_budget_that_no_late_cut_meets_is_met_by_an_early_one() -> None:
    assert plan(40, earliest_cut=3).status is Status.INFEASIBLE
    assert plan(40).status is Status.OPTIMAL


def test_the_fastest_is_that_of_the_freedom_given() -> None:
    loose, tight = plan(80), plan(10)
    assert loose.fastest_ns == tight.fastest_ns == plan(80, earliest_cut=1).fastest_ns
    assert tight.status is Status.INFEASIBLE
    assert tight.predicted_ns == tight.fastest_ns
    assert not tight.warnings


@pytest.mark.parametrize(
    "named",
    [
        {"earliest_cut": 3},
        {"earliest_cut": 0},
        {"cut_blocks": (3, 6, 9)},
        {"pinned": ((3, 60),)},
    ],
)
def test_what_the_caller_named_is_never_changed(named: dict[str, Any]) -> None:
    found = plan(50, **named)
    assert found.status is Status.OPTIMAL
    assert not any("the budget is tight" in warning for warning in found.warnings)
    assert found.earliest_cut == named.get("earliest_cut", 3)


def test_a_least_count_of_the_callers_own_still_binds() -> None:
    assert min(plan(55, least_count=80).schedule.worth) >= 80
    assert min(plan(55, least_rate=0.45).schedule.worth) >= 90
    assert plan(60, least_rate=0.1).schedule == plan(60).schedule


def test_a_fixed_rule_is_shown_as_it_is() -> None:
    found = plan(50, solver=one_cut, lossless_last=False)
    assert found.status is Status.FIXED_RULE
    assert found.earliest_cut == 3


def test_it_holds_with_confidence() -> None:
    found = plan(62, confidence=0.9)
    assert not found.status.over_budget
    assert found.assurance is not None
    assert found.assurance.upper_ns <= found.budget_ns
    assert min(found.schedule.worth) >= FLOOR
    assert found.earliest_cut == 1


def test_the_earliest_cut_is_kept_in_the_file() -> None:
    assert plan(50).to_dict()["earliest_cut"] == 1
