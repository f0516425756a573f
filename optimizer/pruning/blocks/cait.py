"""CaiT's block: talking heads, which mix the heads' logits and then their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timm.models.cait import LayerScaleBlock, TalkingHeadAttn

from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.family import BlockFamily
from optimizer.pruning.blocks.projecting import split_heads

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["FAMILIES", "CutLayerScaleBlock"]


def _attend(attention: Any, x: Tensor, mask: Tensor | None) -> Attended:
    """Restate `TalkingHeadAttn.forward` of timm 1.0.3 to 1.0.31; it is never fused.

    Args:
        attention: timm's module.
        x: normalised tokens, (batch, tokens, dim).
        mask: the logarithm of what each key counts for, (batch, 1, 1, tokens): added to the
            logits that the softmax sees, after the heads have talked.
    """
    q, k, v = split_heads(attention.qkv(x), attention.num_heads)
    before = _over_heads(attention.proj_l, mask)
    # The second talk adds to the weight of each key, so of as many as a token stands for.
    more = None if mask is None or attention.proj_w.bias is None else mask.expm1()
    spoken = None if more is None else attention.proj_w.bias.view(1, -1, 1, 1) * more
    after = _over_heads(attention.proj_w, spoken)
    logits = before((q * attention.scale) @ k.transpose(-2, -1))
    mixed = attention.attn_drop(after(logits.softmax(dim=-1))) @ v
    output = attention.proj(mixed.transpose(1, 2).reshape(x.shape))
    return Attended(
        attention.proj_drop(output), q, k, v, attention.scale, before=before, after=after
    )


def _over_heads(layer: Any, more: Tensor | None) -> Callable[[Tensor], Tensor]:
    def talk(matrix: Tensor) -> Tensor:
        # A score's weights are float32, whatever the layer's dtype is.
        heads = matrix.permute(0, 2, 3, 1).to(layer.weight.dtype)
        talked: Tensor = layer(heads).permute(0, 3, 1, 2).to(matrix.dtype)
        return talked if more is None else talked + more.to(matrix.dtype)

    return talk


class CutLayerScaleBlock(Cutting, LayerScaleBlock):
    """timm's `LayerScaleBlock`, with a cut between its attention and its MLP."""

    def attend(self, x: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = _attend(self.attn, self.norm1(x), mask)
        return x + self.drop_path(self.gamma_1 * seen.output), seen

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path(self.gamma_2 * self.mlp(self.norm2(x)))
        return left


FAMILIES = (BlockFamily(LayerScaleBlock, (TalkingHeadAttn,), CutLayerScaleBlock),)
