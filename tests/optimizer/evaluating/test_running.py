"""`evaluate`: a plan's own model, cut as planned, against the same done by hand."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from latmodel.architectures import describe
from optimizer.budget import Budget
from optimizer.errors import ScheduleError, WeightsError
from optimizer.evaluating import Evaluation, evaluate
from optimizer.images.loading import load_images
from optimizer.images.spreading import World
from optimizer.optimizing import optimize
from optimizer.plan import Plan
from optimizer.pruning.planned import apply_plan
from optimizer.pruning.weighted import Weighted, weighted_model
from optimizer.reporting_evaluations import evaluation_lines
from tests.optimizer.devices import profile_of
from tests.optimizer.pruning.tiny import tiny

IMAGES = torch.randn(10, 3, 32, 32, generator=torch.Generator().manual_seed(1))
ALONE: dict[str, Any] = {"world": World(), "device": "cpu", "rounds": 2}


def small(**options: Any) -> Any:
    """A model of one's own, of which timm knows no name."""
    vit = tiny(num_classes=7, **options)
    vit.pretrained_cfg = {"mean": (0, 0, 0), "std": (1, 1, 1)}
    return vit


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Half of the latency of a device whose blocks cost by the token."""
    workload = describe(small())
    assert not timm.is_model(workload.model)
    times = {count: 50_000 + 10_000 * count for count in range(1, 18)}
    profile = profile_of(workload, times)
    plan = optimize(workload, budget=Budget.parse("70%"), profile=profile)
    assert plan.schedule.cuts
    return plan


@pytest.fixture(scope="module")
def vit() -> Any:
    return small()


def test_the_answers_are_those_of_the_model_cut_as_planned(plan: Plan, vit: Any) -> None:
    """And the uncut model is left as it was."""
    with torch.inference_mode():
        dense = vit(IMAGES)
        cut = apply_plan(copy.deepcopy(vit), plan)(IMAGES)
    labels = dense.argmax(1)
    labels[:3] = (labels[:3] + 1) % 7
    rounds: list[int] = []
    found = evaluate(vit, plan, (IMAGES, labels), on_round=lambda: rounds.append(1), **ALONE)
    both = found.comparison
    assert both.dense_top1 is not None
    assert both.cut_top1 is not None
    assert both.agreeing is not None
    assert (both.count, both.classes, both.dense_top1.hits) == (10, 7, 7)
    assert both.cut_top1.hits == int((cut.argmax(1) == labels).sum())
    assert both.agreeing.hits == int((cut.argmax(1) == dense.argmax(1)).sum())
    assert 0 < both.agreeing.hits < 10
    likely = dense.double().log_softmax(1)
    wanted = (likely.exp() * (likely - cut.double().log_softmax(1))).sum(1).mean()
    assert both.kl == pytest.approx(float(wanted), rel=1e-4)
    assert found.timing.executed == plan.schedule.tokens
    assert (len(found.timing.pruned_ns), len(rounds)) == (2, 4)
    assert (found.images, found.weights) == ("the caller's images", "the caller's weights")
    assert found.warnings == ()
    assert found.threads == torch.get_num_threads()
    with torch.inference_mode():
        assert torch.equal(vit(IMAGES), dense)


def test_a_batch_of_another_size_changes_no_share(plan: Plan, vit: Any) -> None:
    found = [
        evaluate(vit, plan, load_images(IMAGES, vit, batch=batch), **ALONE).comparison
        for batch in (3, 10)
    ]
    assert found[0].agreeing == found[1].agreeing
    assert found[0].kl == pytest.approx(found[1].kl, rel=1e-4)


def test_it_runs_in_the_plans_dtype(plan: Plan, vit: Any) -> None:
    found = evaluate(vit, replace(plan, dtype="bf16"), IMAGES[:2], **ALONE)
    assert found.dtype == "bf16"
    assert next(vit.parameters()).dtype == torch.float32


def test_a_model_without_classes_is_compared_by_its_features(plan: Plan) -> None:
    headless = tiny(num_classes=0)
    found = evaluate(headless, plan, (IMAGES, torch.arange(10)), **ALONE)
    assert found.comparison.cosine is not None
    assert -1 < found.comparison.cosine < 0.99999
    assert found.comparison.agreeing is None
    assert any("mean cosine of the features" in line for line in evaluation_lines(found))


def test_a_model_that_says_nothing_of_its_images_is_warned_of(plan: Plan) -> None:
    found = evaluate(tiny(num_classes=7), plan, IMAGES[:2], **ALONE)
    assert found.warnings == (
        "the model does not say how its images are resized and normalised (it has no "
        "pretrained_cfg): timm's defaults, ImageNet's, are taken",
    )


def test_a_plan_for_another_model_is_refused(plan: Plan) -> None:
    other = timm.create_model("test_vit")
    with pytest.raises(ScheduleError):
        evaluate(other, plan, torch.randn(1, 3, 160, 160), **ALONE)


def test_random_weights_are_said_loudly(plan: Plan, vit: Any) -> None:
    found = evaluate(Weighted(vit, "random weights", random=True), plan, IMAGES[:2], **ALONE)
    assert found.random
    assert found.warnings == (
        "the weights are random, so accuracy and agreement mean nothing: give a checkpoint or "
        "take the pretrained weights",
    )
    assert found.to_dict()["random_weights"] is True


def test_lines_by_hand(plan: Plan, vit: Any) -> None:
    found: Evaluation = evaluate(vit, plan, (IMAGES, torch.arange(10) % 7), **ALONE)
    timing = replace(
        found.timing, device="a processor", pruned_ns=(8_000_000,), dense_ns=(10_000_000,)
    )
    lines = evaluation_lines(replace(found, timing=timing, threads=1))
    assert lines[0] == (
        "evaluated    10 images of the caller's images; the caller's weights; fp32"
    )
    assert [line[:13].strip() for line in lines] == [
        *("evaluated", "top-1", "", "top-5", "agreement", "latency")
    ]
    assert lines[-1] == (
        "latency      8.00 ms cut, 10.00 ms uncut, 1.25x, on a processor, 1 thread"
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save(timm.create_model("test_vit", num_classes=7).state_dict(), tmp_path / "it.pth")
    return tmp_path / "it.pth"


def test_a_checkpoint_brings_its_number_of_classes(checkpoint: Path) -> None:
    weighted = weighted_model("test_vit", checkpoint=checkpoint)
    saved = torch.load(checkpoint)
    assert (weighted.origin, weighted.random) == ("weights of it.pth", False)
    found = weighted.model.state_dict()
    assert all(torch.equal(found[name], saved[name]) for name in saved)
    assert found["head.weight"].shape == (7, 64)


def test_a_checkpoint_without_a_classifier_makes_a_model_without(checkpoint: Path) -> None:
    saved = torch.load(checkpoint)
    torch.save({k: v for k, v in saved.items() if not k.startswith("head.")}, checkpoint)
    weighted: Any = weighted_model("test_vit", checkpoint=checkpoint)
    assert weighted.model.num_classes == 0


def test_a_classifier_that_lacks_a_part_is_refused(checkpoint: Path) -> None:
    """Left random, as it may be for a picture, it would make accuracy mean nothing."""
    saved = torch.load(checkpoint)
    del saved["head.bias"]
    torch.save(saved, checkpoint)
    with pytest.raises(WeightsError) as caught:
        weighted_model("test_vit", checkpoint=checkpoint)
    assert str(caught.value) == (
        f"{checkpoint}: has no 'head.bias' that fits a classifier of 7 classes, and accuracy "
        "depends on it: give the whole checkpoint"
    )
