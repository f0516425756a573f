"""Joint choices on made-up devices, where every candidate can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from latmodel.flops import schedule_flops
from latmodel.profile import DeviceProfile
from latmodel.workloads import find_workload
from optimizer.budget import Budget
from optimizer.choice import Candidate, Choice
from optimizer.choosing import choose_batch, choose_model
from optimizer.errors import BudgetError, ProblemError, ScheduleError
from optimizer.fastest import plan_fastest
from optimizer.optimizing import optimize
from optimizer.preferring import prefer_batch, prefer_model
from optimizer.solution import Status
from optimizer.trading import find_tradeoff
from tests.optimizer.devices import TINY, operator_profile, profile_of, staircase_profile

PROFILE = staircase_profile()
SMOOTH = profile_of(TINY, {1: 10_000, 101: 1_010_000})
OPERATORS = operator_profile()
MODELS = ("deit_tiny_patch16_224", "deit_small_patch16_224", "vit_base_patch16_224")


def batches_profile() -> DeviceProfile:
    """Measured at three batches: 1 costs 8 us a token, 2 costs 10, 8 costs 40."""
    made = {}
    for batch, cost in ((1, 8_000), (2, 10_000), (8, 40_000)):
        made[batch] = profile_of(TINY.at(batch=batch), {1: cost, 101: 101 * cost})
    curves = tuple(profile.curves[0] for profile in made.values())
    return replace(made[1], curves=curves)


def made(name: str, *, macs: int, kept: int, ms: float, met: bool = True) -> Candidate:
    """A candidate out of thin air: `kept` of 101 tokens in every block."""
    plan = optimize("test_vit", budget_ms=1000, profile=PROFILE)
    schedule = replace(plan.schedule, tokens=(kept,) * 6)
    ns = round(ms * 1e6)
    status = Status.OPTIMAL if met else Status.INFEASIBLE
    plan = replace(
        plan,
        schedule=schedule,
        predicted_ns=ns,
        fastest_ns=ns,
        budget_ns=ns if met else ns - 1,
        status=status,
    )
    return Candidate(
        name=name, model=name, batch=1, image_size=None, plan=plan, dense_macs=macs
    )


REFUSED = Candidate(
    name="odd", model="odd", batch=1, image_size=None, plan=None, refused="it is odd"
)


def test_the_largest_that_keeps_enough_is_preferred() -> None:
    """The huge one keeps 50 of 101, the base 80: the base, though the small keeps more."""
    tried = (
        REFUSED,
        made("small", macs=1, kept=101, ms=5),
        made("base", macs=4, kept=80, ms=9),
        made("huge", macs=9, kept=50, ms=9),
        made("slow", macs=99, kept=101, ms=90, met=False),
    )
    found = prefer_model(tried, least_kept=0.7, budget_ns=9_000_000)
    assert (found.chosen.name, found.satisfied) == ("base", True)
    assert found.verdict == (
        "base: the largest of 2 that keep at least 70% of the tokens within 9.00 ms; it keeps "
        "79.2%"
    )
    stricter = prefer_model(tried, least_kept=0.9, budget_ns=9_000_000)
    assert stricter.verdict == (
        "small: the only one that keeps at least 90% of the tokens within 9.00 ms; it keeps "
        "100.0%"
    )


def test_where_none_keeps_enough_the_largest_share_is_preferred() -> None:
    tried = (made("a", macs=9, kept=40, ms=5), made("b", macs=1, kept=50, ms=6))
    found = prefer_model(tried, least_kept=0.7, budget_ns=6_000_000)
    assert (found.chosen.name, found.satisfied) == ("b", True)
    assert found.verdict == (
        "b: none keeps 70% of its tokens within 6.00 ms, and it keeps most, 49.5%; a smaller "
        "model uncut may well be better"
    )


@pytest.mark.parametrize("prefer", [prefer_model, prefer_batch])
def test_where_none_meets_the_budget_the_fastest_is_named(prefer: Any) -> None:
    tried = (
        made("a", macs=9, kept=40, ms=7, met=False),
        REFUSED,
        made("b", macs=1, kept=50, ms=6, met=False),
    )
    found = prefer(tried, least_kept=0.7, budget_ns=1_000_000)
    assert (found.chosen.name, found.satisfied) == ("b", False)
    assert found.verdict == "b: no schedule of any meets 1.00 ms; its fastest takes 6.00 ms"


def test_ties_fall_to_more_tokens_then_to_lower_latency() -> None:
    tried = (
        made("a", macs=4, kept=80, ms=5),
        made("b", macs=4, kept=90, ms=9),
        made("c", macs=4, kept=90, ms=8),
    )
    assert prefer_model(tried, least_kept=0.7, budget_ns=10**7).chosen.name == "c"


def test_batches_are_preferred_by_images_per_second() -> None:
    tried = (
        replace(made("one", macs=1, kept=101, ms=5), batch=1),
        replace(made("eight", macs=1, kept=101, ms=20), batch=8),
        replace(made("more", macs=1, kept=60, ms=20), batch=16),
    )
    found = prefer_batch(tried, least_kept=1.0, budget_ns=20_000_000)
    assert (found.chosen.name, found.satisfied) == ("eight", True)
    assert found.verdict == (
        "eight: 400.0 images per second, the most of 2 that can keep 100% of the tokens within "
        "20.00 ms"
    )
    lower = prefer_batch(tried[2:], least_kept=1.0, budget_ns=20_000_000)
    assert not lower.satisfied
    assert lower.verdict == (
        "more: none keeps 100% of the tokens within 20.00 ms, and it keeps most, 59.4%; ask "
        "for fewer, or give a larger budget"
    )


def test_a_candidate_without_a_plan_is_never_chosen() -> None:
    with pytest.raises(ScheduleError) as caught:
        Choice(
            candidates=(REFUSED,), place=0, least_kept=1, satisfied=True, rule="", verdict=""
        )
    assert str(caught.value) == "odd has no plan to choose"


@pytest.mark.parametrize("least_kept", [0.3, 0.55, 0.7, 0.9, 0.995, 1.0])
@pytest.mark.parametrize("profile", [PROFILE, SMOOTH])
def test_the_fastest_that_keeps_enough_is_the_frontiers(
    profile: DeviceProfile, least_kept: float
) -> None:
    """Of all schedules that no other beats, the first that keeps as much."""
    plan = plan_fastest(TINY, profile=profile, budget=Budget.of_ms(50), least_kept=least_kept)
    points = find_tradeoff("test_vit", profile=profile).points
    first = next(p for p in points if p.schedule.kept_fraction >= least_kept)
    assert plan.status is Status.FASTEST
    assert (plan.schedule, plan.predicted_ns) == (first.schedule, first.latency_ns)
    assert plan.budget_ms == 50


def test_the_fastest_within_a_budget_that_keeps_less() -> None:
    """Where enough cannot be kept, the plan is that of the budget; a share has none."""
    limit = Budget.of_ms(12)
    plan = plan_fastest(TINY, profile=PROFILE, budget=limit, least_kept=0.9)
    assert plan == optimize("test_vit", profile=PROFILE, budget=limit)
    with pytest.raises(BudgetError) as caught:
        plan_fastest(TINY, profile=PROFILE, budget=Budget.parse("50%"), least_kept=0.9)
    assert str(caught.value) == ("budget is a share of the unpruned latency: give a latency")


def test_a_loose_limit_takes_the_largest_model_uncut() -> None:
    found = choose_model(MODELS, profile=OPERATORS, budget_ms=10_000)
    assert found.chosen.name == "vit_base_patch16_224"
    assert [c.kept_fraction for c in found.candidates] == [1.0, 1.0, 1.0]
    # Multiply-adds of one image, as published: 1.3, 4.6 and 17.6 G.
    assert [round(c.dense_macs / 1e8) for c in found.candidates] == [13, 46, 176]
    assert all(c.kept_macs == c.dense_macs for c in found.candidates)


def test_a_tight_limit_takes_a_smaller_model_uncut() -> None:
    """At the tiny model's own latency the base would have to be cut hard, if it can."""
    tiny = optimize(MODELS[0], profile=OPERATORS, budget_ms=10_000)
    found = choose_model(MODELS, profile=OPERATORS, budget_ms=tiny.dense_ms)
    assert found.chosen.name == "deit_tiny_patch16_224"
    assert found.plan.schedule.tokens == (197,) * 12
    base = found.candidates[2]
    assert base.plan is not None
    assert base.plan.status.over_budget or base.kept_fraction < 0.7


def test_each_candidate_is_planned_as_alone() -> None:
    options: dict[str, Any] = {"mode": "sum", "multiple_of": 8, "batch": 2}
    names: list[str] = []
    found = choose_model(
        MODELS, profile=OPERATORS, budget_ms=2000, on_candidate=names.append, **options
    )
    assert names == list(MODELS)
    for candidate in found.candidates:
        alone = optimize(candidate.model, profile=OPERATORS, budget_ms=2000, **options)
        assert candidate.plan == alone
        assert candidate.batch == 2
        assert (
            candidate.dense_macs
            == schedule_flops(find_workload(candidate.model), (197,) * 12) // 2
        ), "of one image"
        assert candidate.images_per_second == 2e9 / alone.predicted_ns


def test_what_cannot_be_planned_is_listed_with_its_reason() -> None:
    """A curve of one model answers for it alone; that is no reason to give up."""
    found = choose_model(
        ("test_vit", "resnet18", "no_vit", MODELS[0]), profile=PROFILE, budget_ms=20
    )
    assert found.chosen.name == "test_vit"
    reasons = [candidate.refused for candidate in found.candidates]
    assert reasons[0] == ""
    assert reasons[1].startswith("resnet18 is a ResNet: only plain vision transformers ")
    assert "has no model 'no_vit'" in reasons[2]
    assert reasons[3].startswith("profile 'made-up' was measured for test_vit at batch 1 in ")


def test_where_nothing_can_be_planned_the_reason_is_raised() -> None:
    with pytest.raises(ProblemError) as caught:
        choose_model(MODELS, profile=PROFILE, budget_ms=20)
    assert str(caught.value).startswith(
        "none of 3 candidates could be planned; deit_tiny_patch16_224: profile 'made-up' was "
        "measured for test_vit "
    )


def test_image_sizes_are_candidates() -> None:
    """The larger image where both fit, the smaller where only it keeps enough."""
    sizes = (160, 224)
    loose = choose_model(MODELS[1:2], profile=OPERATORS, budget_ms=1e4, image_sizes=sizes)
    assert loose.chosen.name == "deit_small_patch16_224 at 224 px"
    assert not any("img_size" in warning for warning in loose.plan.warnings)
    small, large = loose.candidates
    assert small.plan is not None
    assert small.plan.schedule.full == 101
    assert small.plan.dense_ms < loose.plan.dense_ms
    tight = choose_model(
        MODELS[1:2],
        profile=OPERATORS,
        budget_ms=small.plan.dense_ms,
        image_sizes=sizes,
        least_kept=0.999,
    )
    assert tight.chosen.name == "deit_small_patch16_224 at 160 px"
    assert tight.chosen.image_size == 160
    assert tight.plan.warnings[-1] == (
        "made for images of 160 x 160, where deit_small_patch16_224 was trained on 224 x 224: "
        "create it by timm.create_model(..., img_size=160) and evaluate it, cut and uncut"
    )
    assert large.dense_macs > small.dense_macs


def test_a_size_that_a_model_does_not_take_is_refused_alone() -> None:
    found = choose_model(("test_vit",), profile=PROFILE, budget_ms=20, image_sizes=(100, 160))
    assert found.candidates[0].refused == (
        "image size is 100: test_vit takes multiples of its patch of 16, such as 96 or 112"
    )
    assert found.chosen.name == "test_vit at 160 px"


def test_accuracies_stand_beside() -> None:
    found = choose_model(
        MODELS, profile=OPERATORS, budget_ms=1000, accuracies={MODELS[1]: 79.8, "other": 1.0}
    )
    assert [candidate.top1 for candidate in found.candidates] == [None, 79.8, None]
    without = choose_model(MODELS, profile=OPERATORS, budget_ms=1000)
    assert found.place == without.place


def test_the_batch_by_hand() -> None:
    """Uncut: batch 1 takes some 5.3 ms, 2 takes 6.6, 8 takes 24.7: 188, 304, 324 a second."""
    profile = batches_profile()
    loose = choose_batch("test_vit", (1, 2, 8, 4), profile=profile, budget_ms=30)
    assert loose.chosen.batch == 8
    assert loose.candidates[3].refused.startswith("profile 'made-up' was measured for test_vit")
    tight = choose_batch("test_vit", (1, 2, 8), profile=profile, budget_ms=10)
    assert (tight.chosen.batch, tight.satisfied) == (2, True)
    assert tight.plan.kept_fraction == 1.0
    assert tight.plan.status is Status.FASTEST
    none = choose_batch("test_vit", (8,), profile=profile, budget_ms=20)
    assert not none.satisfied
    fewer = choose_batch("test_vit", (1, 2, 8), profile=profile, budget_ms=20, least_kept=0.7)
    assert (fewer.chosen.batch, fewer.satisfied) == (8, True)
    assert 0.7 <= fewer.plan.kept_fraction < 0.71


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ((), {"budget_ms": 1}, "models is empty: name at least one"),
        (MODELS, {"budget_ms": 1, "least_kept": 0}, "least_kept is 0: must be above 0 and at "),
        (MODELS, {}, "give exactly one of budget_ms and budget"),
        (
            MODELS,
            {"budget": Budget.parse("60%")},
            "budget is 60% of an unpruned latency, and each candidate has its own: give a "
            "latency, such as 20ms",
        ),
    ],
)
def test_wrong_questions_are_refused(
    models: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises((ProblemError, BudgetError)) as caught:
        choose_model(models, profile=OPERATORS, **options)
    assert str(caught.value).startswith(message)


def test_no_batch_is_refused() -> None:
    with pytest.raises(ProblemError, match=r"^batches is empty: give at least one$"):
        choose_batch("test_vit", (), profile=PROFILE, budget_ms=20)
