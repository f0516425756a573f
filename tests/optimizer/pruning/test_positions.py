"""The averaged token in models whose attention knows places, cut by hand image by image."""

from __future__ import annotations

from typing import Any

import pytest
import timm.models.beit
import torch
from timm.layers import RelPosMlp  # type: ignore[attr-defined]
from torch import Tensor

from optimizer.pruning import apply, trace, undo

from .reference import embedded
from .small import executed, losing, size_of, small
from .tiny import images


def averaged(x: Tensor, kept: list[int], prefix: int) -> tuple[Tensor, list[list[int]]]:
    """One image's tokens after a cut, and the places that each patch token stands for."""
    gone = [place for place in range(len(x) - prefix) if place not in kept]
    groups = [[place] for place in kept] + [gone]
    patches = [x[prefix:][group].mean(dim=0) for group in groups]
    return torch.cat([x[:prefix], torch.stack(patches)]), groups


@pytest.mark.parametrize(
    "name",
    ["eva02_tiny_patch14_224", "vit_small_patch16_rope_mixed_224", "vit_small_patch16_dinov3"],
)
@torch.no_grad()
def test_its_rotation_is_the_mean_of_theirs(name: str) -> None:
    """Timm's own blocks, handed the rows of each image's tokens, give the same."""
    model, batch = small(name), images(2, size=size_of(name))
    schedule = losing(model, batch, 6, 0, 0)
    apply(model, schedule, "random", "average")
    found, kept = executed(model, batch)[1], trace(model, batch)[0]
    undo(model)
    start, rope = embedded(model, batch), model._pos_embed(model.patch_embed(batch))[1]
    for image in range(2):
        x = start[image : image + 1]
        table = [rope[i] if rope.ndim == 4 else rope for i in range(3)]
        block = model.blocks[0]
        branch = block.attn(block.norm1(x), rope=table[0])
        x = x + (branch if block.gamma_1 is None else block.gamma_1 * branch)
        tokens, groups = averaged(x[0], kept[image].tolist(), schedule.prefix)
        x = tokens.unsqueeze(0)
        branch = block.mlp(block.norm2(x))
        x = x + (branch if block.gamma_2 is None else block.gamma_2 * branch)
        for index in (1, 2):
            rows = [table[index][..., group, :].mean(dim=-2) for group in groups]
            x = model.blocks[index](x, rope=torch.stack(rows, dim=-2))
        torch.testing.assert_close(found[image], x[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["beit_base_patch16_224", "vit_relpos_base_patch16_cls_224"])
@torch.no_grad()
def test_its_bias_is_the_mean_of_theirs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timm's own blocks, whose table is replaced by one for each image's tokens."""
    model, batch = small(name), images(2, size=size_of(name))
    schedule = losing(model, batch, 6, 0, 0)
    apply(model, schedule, "random", "average")
    found, kept = executed(model, batch)[1], trace(model, batch)[0]
    undo(model)
    beit = name.startswith("beit")
    owner = timm.models.beit.Attention if beit else RelPosMlp
    method = "_get_rel_pos_bias" if beit else "get_bias"
    whole = getattr(owner, method)
    for image in range(2):
        x = embedded(model, batch)[image : image + 1]
        block = model.blocks[0]
        branch = block.attn(block.norm1(x))
        scales = (block.gamma_1, block.gamma_2) if beit else (block.ls1.gamma, block.ls2.gamma)
        tokens, groups = averaged(
            (x + scales[0] * branch)[0], kept[image].tolist(), schedule.prefix
        )
        x = tokens.unsqueeze(0)
        x = x + scales[1] * block.mlp(block.norm2(x))
        places = [[0]] + [[1 + place for place in group] for group in groups]

        def shortened(self: Any, places: list[list[int]] = places) -> Tensor:
            rows = torch.stack([whole(self)[:, :, g].mean(dim=2) for g in places], dim=2)
            return torch.stack([rows[:, :, :, g].mean(dim=3) for g in places], dim=3)

        with monkeypatch.context() as patched:
            patched.setattr(owner, method, shortened)
            for index in (1, 2):
                x = model.blocks[index](x)
        torch.testing.assert_close(found[image], x[0], rtol=1e-4, atol=1e-4)
