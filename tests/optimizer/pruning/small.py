"""Architectures by timm's names, made small, and what runs in them."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor

from optimizer.pruning.trunks.registry import family_of_trunk, trunk_of
from optimizer.schedule import Schedule

from .tiny import logits, randomised

DEPTH = 3


def small(name: str, **options: Any) -> Any:
    """The architecture with few, narrow blocks and every parameter random."""
    width: dict[str, Any] = {"embed_dim": 48, "num_heads": 3}
    if name == "vit_base_mci_224":
        width = {"embed_dim": 768, "num_heads": 12}  # its stem's width
    if "sapiens2" in name:
        width |= {"num_heads": 4, "num_kv_heads": (4, 2, 4)}
    if name.startswith("gemma4"):
        width |= {"head_dim": 16, "intermediate_size": 96, "position_embedding_size": 64}
    if name.endswith(("_enc", "_merge", "_align")) and not name.startswith("gemma4"):
        width |= {"out_features": 24}  # of a projector to a language model
    torch.manual_seed(0)
    fixed = {"num_classes": 5, "img_size": size_of(name)}
    return randomised(timm.create_model(name, **{"depth": DEPTH, **options, **width, **fixed}))


def size_of(name: str) -> int:
    """Pixels along a side that give 4 x 4 patches or more."""
    if name.startswith("gemma4"):
        return 192
    if any(stride in name for stride in ("32", "resnet", "mci", "s16_p8")):
        return 128
    return 56 if "patch14" in name or name.startswith("deepseek") else 64


def full_counts(model: Any, batch: Any) -> tuple[int, int]:
    """Tokens that reach the first block, and how many of them are no patches."""
    lengths: list[int] = []
    trunk = trunk_of(model)
    handle = trunk.blocks[0].register_forward_pre_hook(
        lambda _m, given: lengths.append(given[0].shape[1])
    )
    logits(model, batch)
    handle.remove()
    return lengths[0], family_of_trunk(model).shape(trunk).prefix


def executed(model: Any, batch: Any) -> tuple[tuple[int, ...], Tensor]:
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


def losing(model: Any, batch: Any, *lost: int) -> Schedule:
    """The schedule that loses so many tokens at each block."""
    full, prefix = full_counts(model, batch)
    tokens = tuple(full - sum(lost[: block + 1]) for block in range(len(lost)))
    return Schedule(tokens, full, prefix)
