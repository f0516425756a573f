"""Every plain vision transformer of the installed timm, made small, is cut: none is refused."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from latmodel.architectures import reads_prefix_only
from optimizer.errors import UnsupportedModelError
from optimizer.plan import DROPPED
from optimizer.pruning import apply, trace, undo
from optimizer.schedule import Schedule

from .exported import FAMILIES
from .masking import Hiding, kept_of, visible_keys
from .small import DEPTH, executed, full_counts, size_of, small
from .tiny import anatomy, images, logits

MODULES = (
    "vision_transformer",
    "deit",
    "eva",
    "beit",
    "cait",
    "vision_transformer_relpos",
    "vision_transformer_hybrid",
    "naflexvit",
    "qwen3_vit",
    "deepseek_vit",
    "gemma4_vit",
)
NAMES = [name for module in MODULES for name in timm.list_models(module=module)]


ODD: dict[str, dict[str, Any]] = {
    "vit_tiny_patch16_224": {"dynamic_img_size": True},
    "eva02_tiny_patch14_224": {"dynamic_img_size": True},
    "eva02_enormous_patch14_clip_224": {"use_rot_pos_emb": True},
    "vit_small_patch16_dinov3": {"use_abs_pos_emb": True, "qkv_fused": False},
    "beit_base_patch16_224": {"use_shared_rel_pos_bias": True, "use_abs_pos_emb": True},
    "beit_large_patch16_224": {"use_shared_rel_pos_bias": True, "use_rel_pos_bias": False},
    "vit_srelpos_small_patch16_224": {"class_token": True, "global_pool": "token"},
    "vit_relpos_small_patch16_224": {"rel_pos_type": "bias", "qk_norm": True},
    "naflexvit_base_patch16_gap": {"rope_type": "axial", "attn_type": "rope"},
    "naflexvit_base_patch16_par_gap": {"rope_type": "mixed", "attn_type": "rope"},
    "naflexvit_base_patch16_map": {"rope_type": "dinov3", "attn_type": "eva"},
    "gemma4_vit_167m": {"num_kv_heads": 1, "encoder_pool": "soft"},
}
"""Options that no architecture of timm's uses, and users may."""


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_is_cut_exactly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws below, for each."""
    check_laws(small(name), images(2, size=size_of(name)), monkeypatch)


@pytest.mark.parametrize("name", ODD)
def test_odd_options_are_cut_exactly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same laws."""
    check_laws(small(name, **ODD[name]), images(2, size=size_of(name)), monkeypatch)


def check_laws(model: Any, batch: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits at full counts, exact counts, the masking oracle, an undo that leaves no trace.

    And logits to rounding where the last block keeps all that the head reads.
    """
    before, parts, keys = logits(model, batch), anatomy(model), list(model.state_dict())
    full, prefix = full_counts(model, batch)

    apply(model, Schedule((full,) * DEPTH, full, prefix))
    assert torch.equal(before, logits(model, batch))
    undo(model)
    if reads_prefix_only(model):
        check_ending(model, batch, Schedule((full, full, prefix), full, prefix), before)

    schedule = Schedule((full - 3, full - 8, full - 8), full, prefix)
    apply(model, schedule, "cls", "drop")
    assert list(model.state_dict()) == keys
    counts, tokens = executed(model, batch)
    assert counts == schedule.tokens
    assert logits(model, batch).shape == before.shape
    remaining = trace(model, batch)
    undo(model)

    assert anatomy(model) == parts
    assert torch.equal(before, logits(model, batch))
    dense = Hiding(model, visible_keys(remaining, schedule)).last_block(batch, monkeypatch)
    wanted = kept_of(dense, remaining[-1], schedule)
    assert (tokens - wanted).norm() < 1e-4 * wanted.norm()


@pytest.mark.parametrize("dropped", DROPPED)
@pytest.mark.parametrize("name", FAMILIES)
def test_an_empty_batch_has_no_answers(name: str, dropped: str) -> None:
    """As of the uncut model, where timm's own code takes one."""
    model, batch = small(name), images(2, size=size_of(name))
    full, prefix = full_counts(model, batch)
    try:
        shape = logits(model, batch[:0]).shape
    except RuntimeError:
        pytest.skip("timm's own code refuses an empty batch")
    apply(model, Schedule((full - 3, full - 8, full - 8), full, prefix), dropped=dropped)
    assert logits(model, batch[:0]).shape == shape == (0, shape[1])


def check_ending(model: Any, batch: Tensor, schedule: Schedule, before: Tensor) -> None:
    """The law of the lossless last cut; blocks that run all at once refuse it."""
    if "Parallel" in type(model.blocks[-1]).__name__:
        with pytest.raises(UnsupportedModelError, match="cannot be run for these alone"):
            apply(model, schedule)
        return
    apply(model, schedule)
    assert executed(model, batch)[0] == schedule.tokens
    assert (logits(model, batch) - before).norm() < 1e-5 * before.norm()
    assert trace(model, batch)[-1].shape == (len(batch), 0)
    undo(model)
