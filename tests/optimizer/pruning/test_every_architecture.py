"""Every plain vision transformer of the installed timm, made small: cut, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from optimizer.pruning import apply, trace, undo
from optimizer.pruning.trunks.registry import family_of_trunk, trunk_of
from optimizer.schedule import Schedule

from .masking import Hiding, kept_of, visible_keys
from .tiny import anatomy, images, logits, randomised

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

DEPTH = 3


def small(name: str) -> Any:
    """The architecture with few, narrow blocks and every parameter random."""
    width: dict[str, Any] = {"embed_dim": 48, "num_heads": 3}
    if name == "vit_base_mci_224":
        width = {"embed_dim": 768, "num_heads": 12}  # its stem's width
    if "sapiens2" in name:
        width |= {"num_heads": 4, "num_kv_heads": (4, 2, 4)}
    if name.startswith("gemma4"):
        width |= {"head_dim": 16, "intermediate_size": 96, "position_embedding_size": 64}
    torch.manual_seed(0)
    options = width | {"depth": DEPTH, "num_classes": 5, "img_size": size_of(name)}
    return randomised(timm.create_model(name, **options))


def size_of(name: str) -> int:
    """Pixels along a side that give 4 x 4 patches or more."""
    if name.startswith("gemma4"):
        return 192
    if any(stride in name for stride in ("32", "resnet", "mci", "s16_p8")):
        return 128
    return 56 if "patch14" in name or name.startswith("deepseek") else 64


def full_counts(model: Any, batch: Tensor) -> tuple[int, int]:
    """Tokens that reach the first block, and how many of them are no patches."""
    lengths: list[int] = []
    trunk = trunk_of(model)
    handle = trunk.blocks[0].register_forward_pre_hook(
        lambda _m, given: lengths.append(given[0].shape[1])
    )
    logits(model, batch)
    handle.remove()
    return lengths[0], family_of_trunk(model).shape(trunk).prefix


def executed(model: Any, batch: Tensor) -> tuple[tuple[int, ...], Tensor]:
    """Tokens that leave each block, and what leaves the last."""
    seen: list[Tensor] = []
    handles = [
        block.register_forward_hook(lambda _m, _i, out: seen.append(out))
        for block in trunk_of(model).blocks
    ]
    logits(model, batch)
    for handle in handles:
        handle.remove()
    return tuple(tokens.shape[1] for tokens in seen), seen[-1]


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
