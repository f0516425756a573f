"""Every plain vision transformer of the installed timm, made small: cut, or refused by name."""

from __future__ import annotations

import pytest
import timm
import torch

from optimizer.pruning import apply, trace, undo
from optimizer.schedule import Schedule

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

REFUSED: dict[str, str] = {}
"""Architectures of these modules that cannot be cut, and the beginning of the reason."""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_every_architecture_is_cut_exactly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits at full counts, exact counts, the masking oracle, an undo that leaves no trace."""
    model, batch = small(name), images(2, size=size_of(name))
    before, parts, keys = logits(model, batch), anatomy(model), list(model.state_dict())
    full, prefix = full_counts(model, batch)

    apply(model, Schedule((full,) * DEPTH, full, prefix))
    assert torch.equal(before, logits(model, batch))
    undo(model)

    schedule = Schedule((full - 3, full - 3, full - 8), full, prefix)
    apply(model, schedule, "cls", "drop")
    assert list(model.state_dict()) == keys
    counts, tokens = executed(model, batch)
    assert counts == schedule.tokens
    assert logits(model, batch).shape[:1] == before.shape[:1]
    remaining = trace(model, batch)
    undo(model)

    assert anatomy(model) == parts
    assert torch.equal(before, logits(model, batch))
    dense = Hiding(model, visible_keys(remaining, schedule)).last_block(batch, monkeypatch)
    wanted = kept_of(dense, remaining[-1], schedule)
    assert (tokens - wanted).norm() < 1e-4 * wanted.norm()
