"""EViT, written from its paper, to compare with: the class row chooses, the others are fused.

Blocks that drop nothing run timm's own code, so that it is as fast as it can be.
"""

from __future__ import annotations

from typing import Any

import torch
from pruning_rivals import Ideal, add, finish, gather_rows, heads_of
from torch import Tensor

__all__ = ["EvitStyle"]


class EvitStyle(Ideal):
    """Keep what the class token attends to; the rest become one token, weighted by attention.

    That token is a patch like any other to the next cut. A count holds the class token, the
    patches kept and, where any was dropped, the fused one.

    Args:
        model: a timm `VisionTransformer` with plain blocks and one class token.
        schedule: its counts.

    Source:
        Liang et al., ICLR 2022, arXiv:2202.07800, section 3.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, classes)."""
        x = self.enter(images)
        for block, count in zip(self.model.blocks, self.tokens, strict=True):
            if count == x.shape[1]:
                x = block(x)
            else:
                mixed, score = _attend(block.attn, block.norm1(x))
                x = finish(_cut(add(x, mixed, block), score, count), block)
        return self.leave(x)


def _attend(attention: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """The attention's output, and the class row's weights on patches, (batch, patches)."""
    q, k, v = heads_of(attention, x)
    weights = ((q * attention.scale) @ k.transpose(-2, -1)).softmax(dim=-1)
    mixed = attention.proj((weights @ v).transpose(1, 2).reshape(x.shape))
    return mixed, weights[:, :, 0, 1:].mean(dim=1)


def _cut(x: Tensor, score: Tensor, count: int) -> Tensor:
    patches = x[:, 1:]
    order = score.argsort(dim=1, descending=True)
    kept = order[:, : count - 2].sort(dim=1).values
    rest = order[:, count - 2 :]
    weight = score.gather(1, rest).unsqueeze(-1)
    fused = (gather_rows(patches, rest) * weight).sum(dim=1, keepdim=True)
    return torch.cat((x[:, :1], gather_rows(patches, kept), fused), dim=1)
