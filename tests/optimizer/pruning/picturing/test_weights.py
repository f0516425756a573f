"""Weights of files: those of the model, whole, and nothing that runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from optimizer.errors import WeightsError
from optimizer.pruning.picturing import load_weights

Weights = dict[str, torch.Tensor]


def model(**options: Any) -> nn.Module:
    made: nn.Module = timm.create_model("test_vit", **options)
    return made


@pytest.fixture(scope="module")
def weights() -> Weights:
    return model().state_dict()


def same(one: Weights, other: Weights) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def wrapped(weights: Weights, prefix: str) -> Weights:
    return {prefix + name: weight for name, weight in weights.items()}


@pytest.mark.parametrize(
    "form",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 3, "args": argparse.Namespace(lr=1)},
        lambda weights: {"model": wrapped(weights, "module."), "optimizer": {"state": {}}},
        lambda weights: wrapped(weights, "module._orig_mod."),
        lambda weights: {"state_dict_ema": weights, "state_dict": {"other": torch.ones(1)}},
    ],
    ids=["plain", "timm", "parallel", "compiled", "averaged"],
)
def test_what_training_scripts_write_is_read(
    tmp_path: Path, weights: Weights, form: Any
) -> None:
    torch.save(form(weights), tmp_path / "it.pth")
    other = model()
    assert not same(other.state_dict(), weights)
    assert load_weights(other, tmp_path / "it.pth") == ()
    assert same(other.state_dict(), weights)


def test_safetensors_are_read(tmp_path: Path, weights: Weights) -> None:
    save_file(weights, tmp_path / "it.safetensors")
    other = model()
    assert load_weights(other, tmp_path / "it.safetensors") == ()
    assert same(other.state_dict(), weights)


@pytest.mark.parametrize("classes", [7, 0])
def test_another_classifier_is_left_out_and_named(
    tmp_path: Path, weights: Weights, classes: int
) -> None:
    torch.save(model(num_classes=classes).state_dict(), tmp_path / "it.pth")
    other = model()
    own = other.state_dict()["head.weight"].clone()
    assert load_weights(other, tmp_path / "it.pth") == ("head.weight", "head.bias")
    assert torch.equal(other.state_dict()["head.weight"], own)
    assert not torch.equal(other.state_dict()["pos_embed"], weights["pos_embed"])


class Hostile:
    """Makes a folder where it is unpickled without care."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)  # what unpickling would do


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_file_runs_nothing(tmp_path: Path, weights: Weights, zipped: bool) -> None:
    path, trap = tmp_path / "it.pth", tmp_path / "trap"
    torch.save(weights | {"args": Hostile(trap)}, path, _use_new_zipfile_serialization=zipped)
    other = model()
    before = {name: weight.clone() for name, weight in other.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_weights(other, path)
    assert not trap.exists()
    assert same(other.state_dict(), before)
    said = str(caught.value)
    assert said.startswith(f"{path}: not a file of weights alone (")
    assert said.endswith("); allowed are safetensors and state dicts written by torch.save")
    assert "\n" not in said


@pytest.mark.parametrize("name", ["it.pth", "it.safetensors", "it.npz"])
@pytest.mark.parametrize("data", [b"", b"not weights", b"PK\x03\x04 half a zip file"])
def test_a_broken_file_ends_in_one_line(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        load_weights(model(), tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: not a file of weights alone (")
    assert "\n" not in str(caught.value)


def without(weights: Weights, *names: str) -> Weights:
    return {name: weight for name, weight in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda weights: without(weights, "blocks.1.norm1.bias", "blocks.2.norm1.bias"),
            "it lacks 'blocks.1.norm1.bias' and 1 more",
        ),
        (
            lambda weights: weights | {"extra": torch.ones(1)},
            "it holds 'extra'",
        ),
        (
            lambda weights: weights | {"pos_embed": torch.ones(1, 5, 64)},
            "its 'pos_embed' has shape (1, 5, 64), this model's is (1, 101, 64)",
        ),
    ],
)
def test_another_models_weights_are_refused(
    tmp_path: Path, weights: Weights, change: Any, said: str
) -> None:
    torch.save(change(weights), tmp_path / "it.pth")
    other = model()
    before = {name: weight.clone() for name, weight in other.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_weights(other, tmp_path / "it.pth")
    assert str(caught.value) == (
        f"{tmp_path}/it.pth: weights of another model: {said}; give those of the same timm "
        "architecture"
    )
    assert same(other.state_dict(), before)


@pytest.mark.parametrize(
    "what", [3, [torch.ones(1)], {}, {"state_dict": 3}, {1: torch.ones(1)}]
)
def test_something_else_is_no_state_dict(tmp_path: Path, what: object) -> None:
    torch.save(what, tmp_path / "it.pth")
    with pytest.raises(WeightsError) as caught:
        load_weights(model(), tmp_path / "it.pth")
    assert str(caught.value) == (
        f"{tmp_path}/it.pth: holds no state dict: expected names with tensors, at the top or "
        "under state_dict_ema, model_ema, state_dict, model"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        load_weights(model(), tmp_path / "none.pth")
    assert str(caught.value) == f"{tmp_path}/none.pth: no such checkpoint file"
