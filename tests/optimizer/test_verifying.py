from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import timm
import torch

from optimizer.errors import ScheduleError, VerificationError
from optimizer.optimizing import optimize
from optimizer.plan import Plan
from optimizer.verifying import Verification, executed_counts, image_shape, verify
from tests.optimizer.devices import TINY, staircase_profile


@pytest.fixture
def plan() -> Plan:
    return optimize("test_vit", budget_ms=18, profile=staircase_profile())


def test_the_counts_that_ran_are_those_planned(plan: Plan) -> None:
    rounds: list[int] = []
    found = verify(plan, device="cpu", rounds=3, on_round=lambda: rounds.append(1))
    assert plan.schedule.lossless_last
    assert found.executed == found.planned == plan.schedule.tokens
    assert len(found.pruned_ns) == len(found.dense_ns) == 3
    assert len(rounds) == 5


def test_proportional_attention_is_verified_as_planned(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attention behind the first cut takes a mask, and the counts hold."""
    masks: list[bool] = []
    fused = torch.nn.functional.scaled_dot_product_attention

    def watch(q: Any, k: Any, v: Any, **options: Any) -> torch.Tensor:
        masks.append(options.get("attn_mask") is not None)
        return fused(q, k, v, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watch)
    found = verify(replace(plan, proportional=True), device="cpu", rounds=2)
    assert found.executed == plan.schedule.tokens
    first = plan.schedule.cuts[0]
    wanted = [block > first for block in range(TINY.depth)]
    runs = [masks[start : start + TINY.depth] for start in range(len(masks))]
    assert wanted in runs  # of the cut model, among those of the uncut one


def test_the_model_given_is_left_as_it_was(plan: Plan) -> None:
    torch.manual_seed(0)
    model = timm.create_model("test_vit").eval()
    images = torch.randn(1, 3, 160, 160)
    before = model(images)
    verify(plan, model=model, device="cpu", rounds=2)
    verify(replace(plan, dtype="bf16"), model=model, device="cpu", rounds=2)
    assert next(model.parameters()).dtype == torch.float32
    assert torch.equal(model(images), before)
    assert executed_counts(model, images) == (TINY.tokens,) * TINY.depth


def test_a_plan_for_another_model_is_refused(plan: Plan) -> None:
    model = timm.create_model("test_vit2").eval()
    with pytest.raises(ScheduleError):
        verify(plan, model=model, device="cpu", rounds=2)


def test_one_round_has_no_spread(plan: Plan) -> None:
    with pytest.raises(VerificationError) as caught:
        verify(plan, device="cpu", rounds=1)
    assert str(caught.value) == "rounds is 1: must be 2 or more"


def test_figures_by_hand() -> None:
    """Pairs (8, 10), (9, 10), (12, 10): median 9, ratio 0.9; predicted 10 is 11 % more."""
    found = Verification(
        device="a processor",
        planned_device="another processor",
        planned=(4,),
        executed=(4,),
        budget_ns=9,
        predicted_ns=10,
        predicted_dense_ns=20,
        pruned_ns=(8, 9, 12),
        dense_ns=(10, 10, 10),
    )
    assert found.measured_ns == 9
    assert found.ratio == 0.9
    assert found.predicted_ratio == 0.5
    assert found.error == pytest.approx(1 / 9)
    assert found.met
    assert not found.same_device


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("deit_tiny_patch16_224", (3, 224, 224)),
        ("vit_small_patch16_rope_224", (3, 224, 224)),
        ("naflexvit_base_patch16_gap", (3, 384, 384)),
        ("qwen3_vit_88m", (3, 768, 768)),
        ("gemma4_vit_167m", (3, 768, 768)),
    ],
)
def test_images_are_those_that_the_plan_is_for(name: str, shape: tuple[int, int, int]) -> None:
    """As many patches as the workload counts."""
    with torch.device("meta"):
        model = timm.create_model(name, depth=1)
    assert image_shape(model) == shape
