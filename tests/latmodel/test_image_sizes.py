from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from latmodel.architectures import build_model, describe
from latmodel.errors import WorkloadError
from latmodel.image_sizes import at_image_size, image_size
from latmodel.workloads import find_workload, listed_workloads

DEIT = find_workload("deit_small_patch16_224", batch=4, dtype="fp16")


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("test_vit", 96),
        ("vit_tiny_patch16_224", 256),
        ("vit_small_patch14_reg4_dinov2", 224),
        ("vit_base_patch16_siglip_224", 160),
        ("beit_base_patch16_224", 192),
        ("eva02_tiny_patch14_224", 168),
        ("eva_giant_patch14_224", 196),
        ("vit_relpos_small_patch16_224", 240),
        ("vit_dwee_patch16_reg1_gap_256", 224),
    ],
)
def test_the_workload_is_that_of_timms_model(model: str, size: int) -> None:
    """What timm makes for the size has these shapes, token count included."""
    with torch.device("meta"):
        made = build_model(model, img_size=size)
    found = at_image_size(find_workload(model), size)
    assert found == describe(made)
    assert image_size(found) == size


def test_its_own_size_changes_nothing() -> None:
    for workload in listed_workloads().values():
        if workload.kind in ("flexible", "sandwich") or "sapiens2" in workload.model:
            continue  # the last are for people who stand: 1024 x 768 pixels
        assert at_image_size(workload, image_size(workload)) == workload


def test_batch_and_dtype_stay() -> None:
    smaller = at_image_size(DEIT, 160)
    assert (smaller.tokens, smaller.batch, smaller.dtype) == (101, 4, "fp16")


@pytest.mark.parametrize(
    ("size", "near"), [(100, "96 or 112"), (8, "16 or 32"), (-16, "16 or 32")]
)
def test_a_size_that_makes_no_whole_patches_is_refused(size: int, near: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        at_image_size(DEIT, size)
    assert str(caught.value) == (
        f"image size is {size}: deit_small_patch16_224 takes multiples of its patch of 16, "
        f"such as {near}"
    )


def test_a_model_of_any_size_is_refused() -> None:
    with pytest.raises(WorkloadError) as caught:
        at_image_size(find_workload("naflexvit_base_patch16_gap"), 224)
    assert str(caught.value) == (
        "naflexvit_base_patch16_gap is flexible: its token count does not follow from "
        "img_size; create the model for the size and pass it"
    )


def test_what_is_no_square_is_refused() -> None:
    with pytest.raises(WorkloadError) as caught:
        image_size(replace(DEIT, tokens=198))
    assert str(caught.value) == (
        "deit_small_patch16_224 has 197 patches, which make no square: its image size is not "
        "known"
    )
    with pytest.raises(WorkloadError) as caught:
        image_size(replace(DEIT, patch_inputs=256))
    assert str(caught.value) == (
        "deit_small_patch16_224 has patches of 256 numbers, which are no squares of three "
        "channels: its image size is not known"
    )
