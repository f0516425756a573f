"""From a plan to its picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from optimizer.errors import WeightsError
from optimizer.optimizing import optimize
from optimizer.plan import Plan
from optimizer.pruning import apply
from optimizer.pruning.picturing import picture_kept
from optimizer.pruning.picturing.planned import picture_plan
from tests.optimizer.devices import staircase_profile


@pytest.fixture
def plan() -> Plan:
    return optimize("test_vit", budget_ms=18, profile=staircase_profile(), lossless_last=True)


@pytest.mark.parametrize(
    ("score", "dropped", "proportional"),
    [("pomt", "average", True), ("value-norm", "merge", False), ("cls", "drop", False)],
)
def test_the_model_is_cut_as_planned(
    plan: Plan, tmp_path: Path, score: str, dropped: str, proportional: bool
) -> None:
    """By the plan's own score and fate of the others, with the weights of the file."""
    plan = replace(plan, score=score, dropped=dropped, proportional=proportional)
    model = timm.create_model("test_vit").eval()
    torch.save(model.state_dict(), tmp_path / "mine.pth")
    apply(model, plan.schedule, score, dropped, proportional=proportional)
    planned = picture_plan(plan, checkpoint=tmp_path / "mine.pth")
    assert planned.picture.panels == picture_kept(model).panels
    assert planned.remarks == ("no image was given: a made-up landscape is shown",)
    fate = {"average": "averaged", "merge": "merged", "drop": "dropped"}[dropped]
    assert planned.picture.subtitle == (
        f"made-up landscape; weights of mine.pth; score {score}; pale patches are {fate}; "
        "block 5, whose cut loses nothing, is not shown"
    )


def test_random_weights_leave_the_callers_generator_alone(plan: Plan) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    picture_plan(plan)
    assert torch.equal(torch.rand(1), wanted)


def test_one_kind_of_weights(plan: Plan) -> None:
    with pytest.raises(WeightsError) as caught:
        picture_plan(plan, checkpoint=Path("it.pth"), pretrained=True)
    assert str(caught.value) == "checkpoint and pretrained exclude each other: leave one out"


def test_a_model_of_which_timm_has_no_weights(plan: Plan) -> None:
    with pytest.raises(WeightsError) as caught:
        picture_plan(replace(plan, model="vit_small_patch16_36x1_224"), pretrained=True)
    assert str(caught.value) == (
        f"timm {timm.__version__} has no pretrained weights of vit_small_patch16_36x1_224: "
        "give a checkpoint"
    )
