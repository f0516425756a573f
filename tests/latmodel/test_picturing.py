from __future__ import annotations

from dataclasses import replace

import pytest

import latmodel
from latmodel.errors import ProfileError
from latmodel.picture import Captions, PlotSettings
from latmodel.picturing import picture_of_profile
from tests.latmodel.stairs import STAIRS, STAIRS_PROFILE, TWO_BATCHES, VIT


def test_the_only_workload_needs_no_name() -> None:
    picture = picture_of_profile(STAIRS_PROFILE)
    assert picture.captions == Captions(
        title="Stair Board, 10 W",
        subtitle="test_vit, batch 1, fp32: measured at 8 of 101 counts",
        latency="latency of 6 blocks",
    )
    assert picture.expected_ns.tolist() == STAIRS.latency_ns(range(1, 102)).tolist()


def test_confidence_is_said_unless_it_is_high() -> None:
    low = replace(STAIRS_PROFILE, confidence="low")
    assert picture_of_profile(low).captions.subtitle.endswith("counts, low confidence")


def test_one_block_is_no_plural() -> None:
    (curves,) = STAIRS_PROFILE.curves
    one = replace(curves, workload=replace(VIT, depth=1))
    captions = picture_of_profile(replace(STAIRS_PROFILE, curves=(one,))).captions
    assert captions.latency == "latency of 1 block"


@pytest.mark.parametrize("batch", [1, 8])
def test_batch_chooses_among_several(batch: int) -> None:
    captions = picture_of_profile(TWO_BATCHES, batch=batch).captions
    assert captions.subtitle.startswith(f"test_vit, batch {batch}, fp32: measured at ")


def test_a_model_of_the_same_shapes_has_the_same_curve() -> None:
    """As everywhere: the name is a label, not a shape."""
    (curves,) = STAIRS_PROFILE.curves
    known = latmodel.find_workload("test_vit")
    other = replace(curves, workload=replace(known, model="my_vit"))
    profile = replace(STAIRS_PROFILE, curves=(other,))
    for name in ("my_vit", "test_vit"):
        assert picture_of_profile(profile, model=name).captions.subtitle.startswith("my_vit, ")


def test_what_is_ambiguous_is_refused_with_the_choices() -> None:
    for options in ({}, {"model": "test_vit"}, {"dtype": "fp32"}):
        with pytest.raises(ProfileError) as caught:
            picture_of_profile(TWO_BATCHES, **options)  # type: ignore[arg-type]  # text
        assert str(caught.value) == (
            "profile 'stairs' holds 2 workloads that fit: test_vit, batch 1, fp32; test_vit, "
            "batch 8, fp32; choose one by model, batch and dtype"
        )


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({"batch": 3}, "any model, batch 3, any dtype"),
        ({"dtype": "fp16"}, "any model, batch any, fp16"),
        ({"model": "deit_small_patch16_224"}, "deit_small_patch16_224, batch any, any dtype"),
        ({"model": "test_vit", "batch": 3, "dtype": "fp16"}, "test_vit, batch 3, fp16"),
    ],
)
def test_what_was_not_measured_is_refused(options: dict[str, object], asked: str) -> None:
    with pytest.raises(ProfileError) as caught:
        picture_of_profile(TWO_BATCHES, **options)  # type: ignore[arg-type]  # as a user may
    assert str(caught.value) == (
        f"profile 'stairs' holds no curve of {asked} and no operators to compose one from; it "
        "holds test_vit, batch 1, fp32; test_vit, batch 8, fp32"
    )


def test_operators_are_composed_and_the_picture_says_so() -> None:
    profile = latmodel.read_profile("jetson")
    picture = picture_of_profile(profile, batch=8, settings=PlotSettings(most_steps=3))
    workload = latmodel.find_workload("deit_small_patch16_224", batch=8)
    table = profile.table(workload)
    assert picture.captions.subtitle == (
        "deit_small_patch16_224, batch 8, fp32: composed from operators, not measured, "
        f"{profile.confidence} confidence"
    )
    assert picture.captions.latency == "latency of 12 segments"
    assert picture.expected_ns.tolist() == table.segment_ns.sum(axis=0).tolist()
    assert (picture.probes, picture.warnings) == ((), table.warnings)
    assert len(picture.steps) == 3
    assert picture.unnamed > 0


def test_a_curve_goes_before_operators_and_operators_serve_the_rest() -> None:
    both = replace(STAIRS_PROFILE, operators=latmodel.read_profile("jetson").operators)
    assert picture_of_profile(both).probes
    assert picture_of_profile(both, batch=8, model="test_vit").probes == ()
