from __future__ import annotations

import numpy as np
import pytest

from latmodel.errors import ProfileError
from latmodel.workload import Workload
from latmodel.workloads import find_workload
from optimizer.baselines.fitting import one_cut
from optimizer.budget import Budget
from optimizer.errors import BudgetError, ProblemError, ScheduleError
from optimizer.optimizing import optimize, problem_for
from optimizer.solution import Status
from optimizer.solvers.exhaustive import exhaustive
from tests.optimizer.devices import TINY, operator_profile, profile_of, staircase_profile

PROFILE = staircase_profile()
"""Dense: 6 blocks of 4 tiles (the last attention-free), 4 ms each, and 0.5 ms of ends."""


def test_dense_latency_by_hand() -> None:
    """0.5 ends, 2 first attention, 5 whole segments of 4, the last MLP of 2: 24.5 ms."""
    plan = optimize("test_vit", budget_ms=1000, profile=PROFILE)
    assert plan.dense_ms == 24.5


def test_a_loose_budget_keeps_every_token() -> None:
    plan = optimize("test_vit", budget_ms=24.5, profile=PROFILE)
    assert plan.status is Status.OPTIMAL
    assert plan.schedule.tokens == (101,) * 6
    assert plan.kept_fraction == 1.0


def test_a_binding_budget_lands_on_step_edges() -> None:
    """Every cut stops at a multiple of the tile: one token more would cost a whole step."""
    plan = optimize("test_vit", budget_ms=20, profile=PROFILE)
    assert plan.status is Status.OPTIMAL
    assert plan.predicted_ns <= 20_000_000
    assert plan.schedule.lossless_last
    assert {count % 32 for count in plan.schedule.tokens[:-1] if count != 101} == {0}


def test_the_lossless_last_cut_by_hand() -> None:
    """24.5 ms whole. The last MLP, of 2 ms, takes 0.5 on one token and a fifth more: 23.1.

    The first MLP and the last attention stay a whole segment; so one tile less in the block
    before it, of 4 ms, is what 22.2 ms ask for.
    """
    plan = optimize("test_vit", budget_ms=23.1, profile=PROFILE)
    assert plan.schedule.tokens == (101, 101, 101, 101, 101, 1)
    assert plan.kept_fraction == 1.0
    assert plan.predicted_ms == 23.1
    less = optimize("test_vit", budget_ms=22.2, profile=PROFILE)
    assert less.schedule.tokens == (101, 101, 101, 101, 96, 1)
    assert less.kept_fraction == (4 * 101 + 2 * 96) / (6 * 101)


def test_an_unpruned_model_within_the_budget_is_left_alone() -> None:
    """Bit for bit: nothing is cut, not even what nobody reads; unless it is asked for."""
    assert optimize("test_vit", budget_ms=24.5, profile=PROFILE).schedule.cuts == ()
    asked = optimize("test_vit", budget_ms=24.5, profile=PROFILE, lossless_last=True)
    assert asked.schedule.tokens == (101,) * 5 + (1,)
    never = optimize("test_vit", budget_ms=23.1, profile=PROFILE, lossless_last=False)
    assert not never.schedule.lossless_last


def test_the_fastest_is_that_of_every_ending_allowed() -> None:
    plans = [
        optimize("test_vit", budget_ms=1000, profile=PROFILE, lossless_last=one)
        for one in (None, True, False)
    ]
    assert plans[0].fastest_ns == min(plan.fastest_ns for plan in plans[1:])
    assert plans[1].fastest_ns != plans[2].fastest_ns


def test_a_head_that_reads_patches_has_no_lossless_last_cut() -> None:
    pooled = find_workload("vit_base_patch16_siglip_224")
    profile = profile_of(pooled, {1: 100, pooled.tokens: 300})
    plan = optimize(pooled.model, budget=Budget.parse("80%"), profile=profile)
    assert not plan.schedule.lossless_last
    with pytest.raises(ProblemError) as caught:
        optimize(pooled.model, budget_ms=1, profile=profile, lossless_last=True)
    assert str(caught.value) == (
        "lossless_last is True: vit_base_patch16_siglip_224 has no lossless last cut, since "
        "its head reads more than prefix tokens; leave it out"
    )


def test_a_hopeless_budget_gives_the_fastest_schedule() -> None:
    plan = optimize("test_vit", budget_ms=0.1, profile=PROFILE)
    assert plan.status is Status.INFEASIBLE
    assert plan.predicted_ns == plan.fastest_ns
    assert (
        optimize("test_vit", budget_ms=plan.fastest_ms, profile=PROFILE).status
        is Status.OPTIMAL
    )


def test_a_share_is_of_the_unpruned_latency() -> None:
    plan = optimize("test_vit", budget=Budget.parse("80%"), profile=PROFILE)
    assert plan.budget_ns == plan.dense_ns * 80 // 100


def test_the_first_quarter_is_left_alone_by_default() -> None:
    """Block depth // 4 is the first that may cut; asked for, block 0 may."""
    plan = optimize("test_vit", budget_ms=15, profile=PROFILE)
    assert min(plan.schedule.cuts) >= 1
    early = optimize("test_vit", budget_ms=10, profile=PROFILE, earliest_cut=0)
    assert min(early.schedule.cuts) == 0


def test_constraints_reach_the_solver() -> None:
    plan = optimize(
        "test_vit",
        budget_ms=20,
        profile=PROFILE,
        max_cuts=1,
        least_count=50,
        multiple_of=8,
        lossless_last=False,
    )
    assert len(plan.schedule.cuts) == 1
    assert min(plan.schedule.tokens) >= 50
    assert {count % 8 for count in plan.schedule.tokens if count != 101} == {0}


def test_the_plan_equals_trying_everything() -> None:
    """A three-block model with five counts: `optimize` against the oracle."""
    workload = Workload(**{**TINY.to_dict(), "depth": 3, "tokens": 5})  # type: ignore[arg-type]
    profile = profile_of(workload, {1: 100, 2: 150, 3: 120, 4: 400, 5: 300})
    table = profile.table(workload)
    for share in range(40, 101, 3):
        problem = problem_for(table, workload, budget_ns=table.dense_ns * share // 100)
        truth = exhaustive(problem)
        columns = np.searchsorted(problem.counts, truth.tokens)
        assert truth.value == problem.counts[columns].sum()
        assert table.latency_ns(truth.tokens) == truth.latency_ns


def test_a_collapsed_schedule_warns() -> None:
    """On a device where latency is linear, a tight budget leaves nearly nothing at the end."""
    linear = profile_of(TINY, {1: 10_000, 101: 1_010_000})
    plan = optimize("test_vit", budget=Budget.parse("45%"), profile=linear)
    last = plan.schedule.tokens[-2]
    assert plan.schedule.lossless_last
    assert last < 101 / 4
    assert plan.warnings == (
        f"the last block keeps {last} of 101 tokens: counting kept tokens says little about "
        "accuracy at so tight a budget; try a larger budget, and evaluate the cut model",
    )
    named = optimize("test_vit", budget=Budget.parse("45%"), profile=linear, earliest_cut=1)
    assert named.warnings == (
        f"the last block keeps {named.schedule.worth[-1]} of 101 tokens: counting kept tokens "
        "says little about accuracy at so tight a budget; try --earliest-cut 1, --least-count "
        "26 or a larger budget, and evaluate the cut model",
    )
    assert not optimize("test_vit", budget_ms=22, profile=PROFILE).warnings


def test_a_baseline_may_choose_the_plan() -> None:
    """One cut within 16 ms: at block 1 to two tiles; within 10 ms none will do."""
    plan = optimize(
        "test_vit", budget_ms=16, profile=PROFILE, lossless_last=False, solver=one_cut
    )
    assert (plan.status, plan.schedule.tokens) == (Status.FIXED_RULE, (101, *(64,) * 5))
    failed = optimize(
        "test_vit", budget_ms=10, profile=PROFILE, lossless_last=False, solver=one_cut
    )
    assert failed.status is Status.RULE_FAILED
    assert (
        failed.predicted_ms
        > 10
        > optimize("test_vit", budget_ms=10, profile=PROFILE, earliest_cut=0).predicted_ms
    )


def test_proportional_attention_is_recorded_with_a_warning() -> None:
    """Where something is cut; a model that is left alone pays no mask."""
    plan = optimize("test_vit", budget_ms=20, profile=PROFILE, proportional=True)
    assert plan.proportional
    assert plan.warnings == (
        "proportional attention adds a mask to every attention behind the first cut, which no "
        "profile has timed and some fused kernels do not take: verify the plan on the device",
    )
    assert not optimize("test_vit", budget_ms=1e3, profile=PROFILE, proportional=True).warnings
    with pytest.raises(ScheduleError, match=r"^proportional is True and dropped is 'drop', "):
        optimize("test_vit", budget_ms=20, profile=PROFILE, proportional=True, dropped="drop")


def test_profile_warnings_are_repeated() -> None:
    profile = profile_of(TINY, {1: 100, 101: 300}, warnings=("handle with care",))
    plan = optimize("test_vit", budget_ms=1000, profile=profile)
    assert plan.warnings[0] == "handle with care"


@pytest.mark.parametrize("mode", ["eager", "graph", "sum"])
def test_a_plan_is_made_in_the_mode_asked_for(mode: str) -> None:
    profile = operator_profile()
    plan = optimize("test_vit", budget=Budget.parse("80%"), profile=profile, mode=mode)
    table = profile.table(TINY.at(dtype="fp16"), mode=mode)
    assert plan.dense_ns == table.dense_ns
    assert plan.predicted_ns == table.latency_ns(plan.schedule.tokens)
    assert f"operator model ({mode}: " in plan.provenance[0]


def test_a_mode_is_not_what_a_curve_can_answer() -> None:
    with pytest.raises(ProfileError, match=r"^profile 'made-up' has curves only, no operator "):
        optimize("test_vit", budget_ms=20, profile=PROFILE, mode="graph")


def test_the_default_dtype_is_one_that_the_profile_knows() -> None:
    assert optimize("test_vit", budget_ms=1e3, profile=PROFILE).dtype == "fp32"
    assert optimize("test_vit", budget_ms=1e3, profile=operator_profile()).dtype == "fp16"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"earliest_cut": 6},
            "earliest_cut is 6: test_vit has blocks 0 to 5",
        ),
        (
            {"least_count": 1},
            "least_count is 1: test_vit has 1 prefix tokens that are never dropped, so it "
            "must be 2 or more",
        ),
    ],
)
def test_impossible_constraints_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        optimize("test_vit", budget_ms=20, profile=PROFILE, **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_exactly_one_budget() -> None:
    for budgets in ({}, {"budget_ms": 1.0, "budget": Budget.of_ms(1.0)}):
        with pytest.raises(BudgetError) as caught:
            optimize("test_vit", profile=PROFILE, **budgets)  # type: ignore[arg-type]
        assert str(caught.value) == "give exactly one of budget_ms and budget"


def test_a_batch_never_measured_is_refused_with_advice() -> None:
    with pytest.raises(ProfileError) as caught:
        optimize("test_vit", budget_ms=20, profile=PROFILE, batch=8)
    assert str(caught.value) == (
        "profile 'made-up' was measured for test_vit at batch 1 in fp32, not for test_vit at "
        "batch 8 in fp32 (they differ in batch); measure it: latmodel probe --model test_vit "
        "--batch 8 --dtype fp32 --out FILE"
    )


def test_what_the_operators_leave_out_is_said() -> None:
    """A plan for rotary attention warns; one for a plain model does not."""
    sentence = (
        "eva02_tiny_patch14_224 is rotary: its latency leaves out the rotation of queries and "
        "keys, and a projector behind the blocks; measure the cut model before you rely on the "
        "budget"
    )
    rotary = optimize("eva02_tiny_patch14_224", budget_ms=1000, profile="jetson")
    plain = optimize("deit_tiny_patch16_224", budget_ms=1000, profile="jetson")
    assert sentence in rotary.warnings
    assert not any("leaves out" in warning for warning in plain.warnings)
