"""Names from timm's registry, made small: built as users build them."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from optimizer.pruning import apply, trace, undo
from optimizer.schedule import Schedule

from .tiny import features, full_count, images, logits, randomised

NAMES = {
    "deit_tiny_patch16_224": 64,
    "deit_tiny_distilled_patch16_224": 64,
    "deit3_small_patch16_224": 64,
    "vit_small_patch14_dinov2": 56,
    "vit_small_patch14_reg4_dinov2": 56,
    "vit_giant_patch14_dinov2": 56,
    "vit_base_patch16_siglip_224": 64,
    "vit_base_patch16_clip_224": 64,
    "vit_medium_patch16_gap_256": 64,
}


@pytest.mark.parametrize("name", NAMES)
def test_registered_models_are_cut_and_restored(name: str) -> None:
    """Exact counts, a trace that fits them, and bits restored by undo."""
    size = NAMES[name]
    options: dict[str, Any] = {"embed_dim": 48, "depth": 3, "num_heads": 3}
    model = randomised(timm.create_model(name, img_size=size, **options))
    batch = images(2, size=size)
    before, full = logits(model, batch), full_count(model)
    apply(model, Schedule((full, full - 5, full - 9), full, model.num_prefix_tokens))
    assert features(model, batch).shape == (2, full - 9, 48)
    assert [entry.shape[1] for entry in trace(model, batch)] == [16, 10, 6]
    undo(model)
    assert torch.equal(before, logits(model, batch))
