"""The oracle of every cut: an uncut model in which dropped tokens are hidden as keys."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.models.cait import TalkingHeadAttn
from torch import Tensor
from torch.nn import functional

from optimizer.pruning.trunks.registry import trunk_of
from optimizer.schedule import Schedule

fused = functional.scaled_dot_product_attention


class Hiding:
    """Runs an uncut model while some keys are hidden from the attention of each block.

    Args:
        model: uncut.
        visible: per block, (batch, tokens) bool.
    """

    def __init__(self, model: Any, visible: list[Tensor]) -> None:
        self.model, self.visible, self.block = model, visible, 0

    def last_block(self, batch: Any, patched: pytest.MonkeyPatch) -> Tensor:
        """What leaves the last block, (batch, full tokens, dim)."""
        seen: list[Tensor] = []
        blocks = trunk_of(self.model).blocks
        handles = [blocks[-1].register_forward_hook(lambda _m, _i, out: seen.append(out))]
        for index, block in enumerate(blocks):
            handles.append(block.register_forward_pre_hook(self._entering(index)))
        with patched.context() as changed, torch.no_grad():
            changed.setattr(functional, "scaled_dot_product_attention", self._fused)
            changed.setattr(TalkingHeadAttn, "forward", self._talking)
            self.model(batch)
        for handle in handles:
            handle.remove()
        return seen[0]

    def _entering(self, index: int) -> Any:
        def enter(_module: Any, _given: Any) -> None:
            self.block = index

        return enter

    def _fused(self, q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        visible = self.visible[self.block]
        if q.shape[2] != visible.shape[1]:
            return fused(q, k, v, **options)  # a pooling head's
        bias = options.get("attn_mask")
        bias = q.new_zeros(()) if bias is None else bias
        hidden = ~visible[:, None, None, :].expand(-1, 1, q.shape[2], -1)
        bias = (
            bias.expand(len(q), -1, q.shape[2], -1) if bias.ndim else bias.expand(hidden.shape)
        )
        bias = bias.masked_fill(hidden, -torch.inf)
        return fused(q, k, v, **options | {"attn_mask": bias})

    def _talking(self, x: Tensor) -> Tensor:
        attention = trunk_of(self.model).blocks[self.block].attn
        hidden = ~self.visible[self.block][:, None, None, :]
        batch, tokens, dim = x.shape
        qkv = attention.qkv(x).reshape(batch, tokens, 3, attention.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        logits = torch.einsum("bhqd,bhkd->bqkh", q * attention.scale, k)
        logits = attention.proj_l(logits).permute(0, 3, 1, 2)
        weights = logits.masked_fill(hidden, -torch.inf).softmax(dim=-1)
        weights = attention.proj_w(weights.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        mixed = weights.masked_fill(hidden, 0.0) @ v
        result: Tensor = attention.proj(mixed.transpose(1, 2).reshape(batch, tokens, dim))
        return result


def visible_keys(remaining: tuple[Tensor, ...], schedule: Schedule) -> list[Tensor]:
    """What each block's attention sees: all, then what was left by the block before it."""
    batch = len(remaining[0])
    seen = [torch.ones(batch, schedule.full, dtype=torch.bool)]
    for kept in remaining[:-1]:
        here = torch.zeros_like(seen[0]).scatter(1, kept + schedule.prefix, True)
        here[:, : schedule.prefix] = True
        seen.append(here)
    return seen


def kept_of(dense: Tensor, kept: Tensor, schedule: Schedule) -> Tensor:
    """The tokens of a full sequence that a cut model has too."""
    front = torch.arange(schedule.prefix).expand(len(kept), -1)
    places = torch.cat([front, kept + schedule.prefix], dim=1)
    return dense.gather(1, places.unsqueeze(-1).expand(-1, -1, dense.shape[-1]))
