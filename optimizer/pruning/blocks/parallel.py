"""Blocks that run attention and MLP at once: they are cut after the block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from timm.models.vision_transformer import (  # type: ignore[attr-defined]
    Attention,
    ParallelScalingBlock,
    ParallelThingsBlock,
)

from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.differential import ATTENTIONS as DIFFERENTIAL
from optimizer.pruning.blocks.differential import mix_differentially
from optimizer.pruning.blocks.family import BlockFamily
from optimizer.pruning.blocks.mixing import mix
from optimizer.pruning.blocks.vision_transformer import attend

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutParallelScalingBlock", "CutParallelThingsBlock"]


def _enter(block: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The MLP's hidden features, q, k and v, all from one product."""
    hidden, q, k, v = torch.split(block.in_proj(block.in_norm(x)), block.in_split, dim=-1)
    return hidden if block.mlp_bias is None else hidden + block.mlp_bias, q, k, v


def _leave(block: Any, x: Tensor, hidden: Tensor, mixed: Tensor) -> Tensor:
    hidden = block.mlp_drop(block.mlp_act(hidden))
    mixed = mixed.transpose(1, 2).flatten(2)
    # Older timm always has two projections.
    if getattr(block, "out_proj", None) is not None:
        out = block.out_proj(torch.cat((mixed, hidden), dim=-1))
    else:
        out = block.attn_out_proj(mixed) + block.mlp_out_proj(hidden)
    left: Tensor = x + block.drop_path(block.ls(out))
    return left


class CutParallelScalingBlock(Cutting, ParallelScalingBlock):
    """timm's `ParallelScalingBlock`, cut after it."""

    def attend(self, x: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        hidden, *heads = _enter(self, x)
        batch, tokens, _ = x.shape
        q, k, v = (part.view(batch, tokens, self.num_heads, self.head_dim) for part in heads)
        q, k, v = (
            self.q_norm(q).transpose(1, 2),
            self.k_norm(k).transpose(1, 2),
            v.transpose(1, 2),
        )
        seen = Attended(None, q, k, v, self.scale, mask)
        return _leave(self, x, hidden, mix(self, q, k, v, bias=mask)), seen

    def finish(self, x: Tensor) -> Tensor:
        """Nothing is left to do."""
        return x


class CutParallelThingsBlock(Cutting, ParallelThingsBlock):
    """timm's `ParallelThingsBlock`: several attentions, then several MLPs.

    A token is scored by the first attention. The cut comes after the block, as its MLPs
    stand where the other parallel blocks' do.
    """

    def attend(self, x: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        branches: list[Any] = list(self.attns)
        seen = [attend(branch.attn, branch.norm(x), mask=mask) for branch in branches]
        outputs = [
            branch.drop_path(branch.ls(one.output))
            for branch, one in zip(branches, seen, strict=True)
        ]
        x = x + torch.stack(outputs).sum(dim=0)
        return x + torch.stack([branch(x) for branch in self.ffns]).sum(dim=0), seen[0]

    def finish(self, x: Tensor) -> Tensor:
        """Nothing is left to do."""
        return x


FAMILIES: tuple[BlockFamily, ...] = (
    BlockFamily(ParallelScalingBlock, (), CutParallelScalingBlock),
    BlockFamily(ParallelThingsBlock, (Attention, *DIFFERENTIAL), CutParallelThingsBlock),
)

if DIFFERENTIAL:
    from timm.models.vision_transformer import DiffParallelScalingBlock

    class CutDiffParallelScalingBlock(Cutting, DiffParallelScalingBlock):
        """timm's `DiffParallelScalingBlock`, cut after it."""

        def attend(self, x: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Attended]:
            """See `Cutting.attend`."""
            hidden, q, k, v = _enter(self, x)
            mixed, seen = mix_differentially(self, q, k, v, mask=mask)
            return _leave(self, x, hidden, mixed), seen

        def finish(self, x: Tensor) -> Tensor:
            """Nothing is left to do."""
            return x

    FAMILIES += (BlockFamily(DiffParallelScalingBlock, (), CutDiffParallelScalingBlock),)
