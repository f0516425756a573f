"""The image is the model's, and the panels are what `trace` says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from optimizer.errors import PictureError, ScheduleError
from optimizer.pruning import apply, trace
from optimizer.pruning.picturing import made_up_photograph, picture_kept
from optimizer.pruning.picturing.seeing import see
from optimizer.schedule import Schedule
from tests.optimizer.pruning.small import DEPTH, full_counts, small
from tests.optimizer.pruning.tiny import losing, tiny


def cut(model: Any, full: int, prefix: int) -> Any:
    """With three cuts."""
    return apply(model, Schedule((full - 3, full - 8, full - 9), full, prefix), "key-norm")


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("vit_tiny_patch16_224", (4, 4)),
        ("deit_tiny_distilled_patch16_224", (4, 4)),
        ("vit_small_patch14_reg4_dinov2", (4, 4)),
        ("vit_base_patch16_siglip_224", (4, 4)),
        ("eva02_tiny_patch14_224", (4, 4)),
        ("cait_xxs24_224", (4, 4)),
        ("vit_small_r26_s32_224", (4, 4)),
        ("qwen3_vit_88m", (4, 4)),
    ],
)
def test_panels_are_what_trace_says(name: str, grid: tuple[int, int]) -> None:
    """Prefix tokens are left out; the grid is that of the stem's output."""
    model = small(name)
    batch = see(model, made_up_photograph()).batch
    cut(model, *full_counts(model, batch))
    picture = picture_kept(model)
    assert picture.grid == grid
    assert [panel.block for panel in picture.panels] == list(range(DEPTH))
    for panel, row in zip(picture.panels, trace(model, batch), strict=True):
        assert list(panel.positions) == row[0].tolist()


@pytest.mark.parametrize("name", ["naflexvit_base_patch16_gap", "gemma4_vit_167m"])
def test_a_model_of_any_size_sees_the_one_that_timm_names(name: str) -> None:
    model = small(name)
    side = model.pretrained_cfg["input_size"][1]
    model.pretrained_cfg = model.pretrained_cfg | {"input_size": (3, side // 4, side // 4)}
    model.default_cfg = model.pretrained_cfg
    seen = see(model, made_up_photograph())
    assert seen.pixels.shape == (side // 4, side // 4, 3)
    cut(model, *full_counts(model, seen.batch))
    picture = picture_kept(model)
    assert picture.grid == (side // 64, side // 64)
    assert len(picture.panels) == DEPTH


def test_a_wide_image_has_a_wide_grid() -> None:
    model = timm.create_model("test_vit", img_size=(64, 160)).eval()
    apply(model, Schedule((41, 41, 20, 20, 20, 10), 41, 1), "key-norm")
    picture = picture_kept(model)
    assert picture.image.shape == (64, 160, 3)
    assert picture.grid == (4, 10)
    assert [len(panel.positions) for panel in picture.panels] == [18, 8]


def test_the_eye_sees_what_the_model_sees() -> None:
    """Resized to 160 / 0.95 and cropped, as timm evaluates test_vit, normalised with 0.5."""
    model = timm.create_model("test_vit").eval()
    noise = np.random.default_rng(0).integers(0, 256, (168, 168, 3), dtype=np.uint8)
    seen = see(model, Image.fromarray(noise))
    assert np.array_equal(seen.pixels, noise[4:164, 4:164])
    given = torch.from_numpy(noise[4:164, 4:164].copy()).permute(2, 0, 1) / 255
    assert torch.allclose(seen.batch[0], (given - 0.5) / 0.5, atol=1e-6)


def test_the_cut_looks_at_the_image() -> None:
    """Of two images, other patches are kept; of the same one, the same."""
    model = timm.create_model("test_vit").eval()
    apply(model, Schedule((101, 101, 40, 40, 40, 40), 101, 1), "value-norm")
    photograph = made_up_photograph()
    turned = photograph.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    kept = [picture_kept(model, image).panels for image in (photograph, photograph, turned)]
    assert kept[0] == kept[1] != kept[2]


def test_a_lossless_last_cut_gets_no_panel() -> None:
    model = timm.create_model("test_vit", class_token=True, global_pool="token").eval()
    apply(model, Schedule((101, 101, 40, 40, 40, 1), 101, 1), "key-norm")
    assert [panel.block for panel in picture_kept(model).panels] == [2]


def test_an_uncut_model_is_refused() -> None:
    with pytest.raises(ScheduleError) as caught:
        picture_kept(timm.create_model("test_vit"))
    assert str(caught.value) == (
        "this VisionTransformer carries no schedule: apply(model, schedule) first"
    )


def test_a_model_that_sees_no_colours_is_refused() -> None:
    model = apply(tiny(in_chans=1), losing(tiny(), 0, 4, 0, 0))
    with pytest.raises(PictureError) as caught:
        picture_kept(model)
    assert str(caught.value) == (
        "the model takes images of 1 channels: only those of red, green and blue can be shown"
    )


def test_a_schedule_for_another_size_is_refused() -> None:
    name = "naflexvit_base_patch16_gap"
    model = small(name)
    apply(model, Schedule((20, 20, 9), 20, 4))
    with pytest.raises(PictureError) as caught:
        picture_kept(model)
    side = model.pretrained_cfg["input_size"][1]
    assert str(caught.value) == (
        f"the schedule is for 16 patches, and images of {side} x {side} pixels have "
        f"{side // 16} x {side // 16}: make the schedule for that size"
    )


def test_a_model_of_any_size_without_one_is_refused() -> None:
    model = small("naflexvit_base_patch16_gap")
    apply(model, Schedule((20, 20, 9), 20, 4))
    model.pretrained_cfg = {}
    with pytest.raises(PictureError) as caught:
        picture_kept(model)
    assert str(caught.value) == (
        "the model takes images of any size and timm names none for it: create it by "
        "timm.create_model"
    )
