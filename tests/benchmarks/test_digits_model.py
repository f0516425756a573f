"""The shipped model: what its card says, read by timm's own transforms, and cut."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform

from latmodel.architectures import describe
from latmodel.catalogue import shipped_profiles
from latmodel.files import read_yaml
from optimizer.errors import WeightsError
from optimizer.pruning import apply, trace
from optimizer.schedule import Schedule

Load = Callable[[str], Any]

CANVASES = 300


@pytest.fixture(scope="module")
def digits_model(benchmark_file: Load) -> Any:
    return benchmark_file("digits_model")


@pytest.fixture(scope="module")
def canvases(benchmark_file: Load) -> Any:
    """Held-out digits on canvases that neither training nor its test has drawn."""
    drawing = benchmark_file("digits_canvases")
    return drawing.draw_canvases(drawing.load_split(held_out=True), CANVASES, seed=20_000_003)


@pytest.fixture(scope="module")
def card(digits_model: Any) -> Any:
    return read_yaml(digits_model.shipped_weights().with_suffix(".yaml"))


def right(digits_model: Any, model: Any, drawn: Any) -> float:
    return float(np.mean(digits_model.predicted(model, drawn.images).numpy() == drawn.labels))


def test_it_has_the_tokens_of_a_full_size_model(digits_model: Any) -> None:
    workload = describe(digits_model.build_digits())
    assert (workload.depth, workload.tokens, workload.prefix) == (12, 197, 1)
    assert (workload.dim, workload.heads, workload.classes) == (64, 4, 10)
    assert workload.prefix_head


def test_timm_s_own_transforms_are_what_it_was_trained_with(
    digits_model: Any, canvases: Any, tmp_path: Path
) -> None:
    """To the bit: no resizing, no crop, the same normalisation."""
    resolve: Any = resolve_model_data_config
    config = resolve(digits_model.build_digits())
    assert (config["input_size"], config["crop_pct"]) == ((3, 56, 56), 1.0)
    place = tmp_path / "it.png"
    Image.fromarray(canvases.images[0]).save(place)
    with Image.open(place) as picture:
        seen = create_transform(**config, is_training=False)(picture.convert("RGB"))
    torch.testing.assert_close(seen, digits_model.as_input(canvases.images[:1])[0])


def test_it_is_as_accurate_as_its_card_says(
    digits_model: Any, canvases: Any, card: Any
) -> None:
    """Within three standard errors of its canvases and of these."""
    model = digits_model.load_digits_model()
    said = card["accuracy"]["percent"] / 100
    assert said >= 0.85
    error = sqrt(said * (1 - said) / CANVASES) + card["accuracy"]["within_percent"] / 196
    assert abs(right(digits_model, model, canvases) - said) < 3 * error


def test_its_weights_are_what_makes_it_so(digits_model: Any, canvases: Any) -> None:
    torch.manual_seed(0)
    few = type(canvases)(*(part[:50] for part in canvases))
    assert right(digits_model, digits_model.build_digits(), few) < 0.3


def test_its_card_builds_it(digits_model: Any, card: Any) -> None:
    """By timm alone, from what the card holds."""
    options = {name: value for name, value in card["model"].items() if name != "name"}
    built = timm.create_model(card["model"]["name"], **options)
    ours = digits_model.load_digits_model().state_dict()
    assert {k: v.shape for k, v in built.state_dict().items()} == {
        k: v.shape for k, v in ours.items()
    }
    assert {v.dtype for v in ours.values()} == {torch.float32}
    assert digits_model.shipped_weights().stat().st_size < 4_000_000


def test_a_cut_model_keeps_the_digit_s_patches(digits_model: Any, canvases: Any) -> None:
    """Half the patches from block 3 on: those of the digit are among them, answers stay."""
    few = type(canvases)(*(part[:100] for part in canvases))
    model = digits_model.load_digits_model()
    dense = right(digits_model, model, few)
    schedule = Schedule((197,) * 3 + (98,) * 9, full=197, prefix=1)
    apply(model, schedule)
    assert right(digits_model, model, few) > dense - 0.05
    kept = trace(model, digits_model.as_input(few.images))[3].numpy()
    left, top, right_, bottom = few.boxes.T[..., None]
    column, row = 4 * (kept % 14) + 2, 4 * (kept // 14) + 2
    inside = (column > left) & (column < right_) & (row > top) & (row < bottom)
    area = (right_ - left) * (bottom - top) / 16
    assert kept.shape[1] < 98
    assert inside.sum() / area.sum() > 0.7


def test_other_weights_are_refused(digits_model: Any, tmp_path: Path) -> None:
    place = tmp_path / "none.safetensors"
    with pytest.raises(WeightsError, match=f"^{re.escape(str(place))}: no such checkpoint"):
        digits_model.load_digits_model(place)


def test_models_are_no_profiles(digits_model: Any) -> None:
    assert digits_model.shipped_weights().parent.name == "models"
    assert not [name for name in shipped_profiles() if "digits" in name]
