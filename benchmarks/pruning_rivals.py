"""What a cut model is compared with: its ideal, and two patches as published ones work.

Each is a module around an uncut timm `VisionTransformer` that ends in its logits. Weights are
shared, so that all find them in the same place. The ideal pays for no cut at all: after the
attention it takes the front of the sequence, which is a view. The rivals are written from their
papers for this comparison and do the work that their published patches do.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from optimizer.schedule import Schedule

__all__ = [
    "Ideal",
    "PomtStyle",
    "TomeStyle",
    "Uncut",
    "add",
    "finish",
    "gather_rows",
    "heads_of",
]


class Uncut(nn.Module):
    """The model as timm runs it.

    Args:
        model: a timm `VisionTransformer` with plain blocks and one class token.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, classes)."""
        logits: Tensor = self.model(images)
        return logits

    def enter(self, images: Tensor) -> Tensor:
        """Tokens before the first block, (batch, tokens, dim)."""
        model = self.model
        tokens: Tensor = model.norm_pre(model._pos_embed(model.patch_embed(images)))  # noqa: SLF001
        return tokens

    def leave(self, x: Tensor) -> Tensor:
        """Logits of the tokens that are left."""
        logits: Tensor = self.model.forward_head(self.model.norm(x))
        return logits


class Ideal(Uncut):
    """Every block at its counts, and nothing else.

    Args:
        model: as `Uncut`.
        schedule: its counts.
    """

    def __init__(self, model: nn.Module, schedule: Schedule) -> None:
        super().__init__(model)
        self.tokens = schedule.tokens

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, classes)."""
        x = self.enter(images)
        for block, count in zip(self.model.blocks, self.tokens, strict=True):
            if count == x.shape[1]:
                x = block(x)
            else:
                x = add(x, block.attn(block.norm1(x)), block)[:, :count]
                x = finish(x, block)
        return self.leave(x)


def add(x: Tensor, attended: Tensor, block: Any) -> Tensor:
    """The residual of a block's attention, with all that timm puts on the way."""
    total: Tensor = x + block.drop_path1(block.ls1(attended))
    return total


def finish(x: Tensor, block: Any) -> Tensor:
    """The rest of a block, as timm runs it."""
    left: Tensor = x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))
    return left


def heads_of(attention: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each (batch, heads, tokens, head_dim)."""
    batch, tokens, _ = x.shape
    heads = attention.qkv(x).reshape(batch, tokens, 3, attention.num_heads, -1)
    q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


def gather_rows(x: Tensor, places: Tensor) -> Tensor:
    """Tokens (batch, tokens, dim) at places (batch, k)."""
    return x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


class PomtStyle(Ideal):
    """Explicit softmax and a score in every block; where a block cuts, the rest are averaged.

    Source:
        Eliopoulos et al., WACV 2025, arXiv:2407.05941, section 3.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, classes)."""
        x = self.enter(images)
        begun = False
        for block, count in zip(self.model.blocks, self.tokens, strict=True):
            mixed, score = self._attend(block.attn, block.norm1(x))
            x = add(x, mixed, block)
            if count < x.shape[1]:
                x = self._cut(x, score, count, begun)
                begun = True
            x = finish(x, block)
        return self.leave(x)

    def _attend(self, attention: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = heads_of(attention, x)
        weights = ((q * attention.scale) @ k.transpose(-2, -1)).softmax(dim=-1)
        received = weights.amax(dim=1).sum(dim=1)
        score = received / received.amax(dim=1, keepdim=True)
        score = score + v.softmax(dim=2).amax(dim=1).sum(dim=2)
        return attention.proj((weights @ v).transpose(1, 2).reshape(x.shape)), score

    def _cut(self, x: Tensor, score: Tensor, count: int, begun: bool) -> Tensor:
        last = x.shape[1] - begun
        patches = x[:, 1:last]
        order = score[:, 1:last].argsort(dim=1, descending=True)
        kept = order[:, : count - 2].sort(dim=1).values
        rest = gather_rows(patches, order[:, count - 2 :])
        rest = torch.cat((rest, x[:, last:]), dim=1).mean(dim=1, keepdim=True)
        return torch.cat((x[:, :1], gather_rows(patches, kept), rest), dim=1)


class TomeStyle(Ideal):
    """Bipartite soft matching on keys, weighted merging, attention in proportion to size.

    It merges at most half of the patches in one block.

    Source:
        Bolya et al., ICLR 2023, arXiv:2210.09461, section 3.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, classes)."""
        x = self.enter(images)
        size = torch.ones_like(x[..., :1])
        for block, count in zip(self.model.blocks, self.tokens, strict=True):
            mixed, keys = self._attend(block.attn, block.norm1(x), size)
            x = add(x, mixed, block)
            if count < x.shape[1]:
                x, size = self._merge(x, keys, size, x.shape[1] - count)
            x = finish(x, block)
        return self.leave(x)

    def _attend(self, attention: Any, x: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = heads_of(attention, x)
        logits = (q * attention.scale) @ k.transpose(-2, -1)
        weights = (logits + size.log()[:, None, None, :, 0]).softmax(dim=-1)
        output = attention.proj((weights @ v).transpose(1, 2).reshape(x.shape))
        return output, k.mean(dim=1)

    def _merge(self, x: Tensor, keys: Tensor, size: Tensor, less: int) -> tuple[Tensor, Tensor]:
        keys = keys / keys.norm(dim=-1, keepdim=True)
        likeness = keys[:, ::2] @ keys[:, 1::2].transpose(1, 2)
        likeness[:, 0] = -torch.inf  # the class token merges into nothing
        best, target = likeness.max(dim=-1)
        order = best.argsort(dim=-1, descending=True)
        gone, kept = order[:, :less], order[:, less:].sort(dim=-1).values
        target = target.gather(1, gone)

        def join(tokens: Tensor) -> Tensor:
            even, odd = tokens[:, ::2], tokens[:, 1::2]
            index = target.unsqueeze(-1).expand(-1, -1, tokens.shape[-1])
            odd = odd.scatter_reduce(1, index, gather_rows(even, gone), reduce="sum")
            return torch.cat((gather_rows(even, kept), odd), dim=1)

        total = join(size)
        return join(x * size) / total, total


def most_dropped(schedule: Schedule) -> float:
    """The largest share of its tokens that a block drops."""
    return max(1 - b / a for a, b in pairwise((schedule.full, *schedule.tokens)))
