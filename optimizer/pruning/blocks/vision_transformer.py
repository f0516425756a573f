"""timm's plain pre-norm block: ViT, DeiT, DeiT-3, DINOv2, SigLIP, CLIP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# Not from timm.layers, where timm 1.0.3 has no Attention yet.
from timm.models.vision_transformer import (  # type: ignore[attr-defined]
    Attention,
    Block,
)
from torch.nn import functional

from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.family import Attended, BlockFamily

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILY", "CutBlock", "attend"]


def attend(attention: Any, x: Tensor) -> Attended:
    """Restate `Attention.forward` of timm 1.0.3 to 1.0.31 on the module's own parts.

    Fused attention stays fused; q, k and v are computed once.

    Args:
        attention: a timm `Attention`.
        x: normalised tokens, (batch, tokens, dim).
    """
    batch, tokens, _ = x.shape
    qkv = attention.qkv(x).reshape(batch, tokens, 3, attention.num_heads, attention.head_dim)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (batch, heads, tokens, head_dim)
    q, k = attention.q_norm(q), attention.k_norm(k)
    mixed = _mix(attention, q, k, v).transpose(1, 2).reshape(batch, tokens, -1)
    # Older timm has neither.
    norm, gate = getattr(attention, "norm", None), getattr(attention, "gate", None)
    if norm is not None:
        mixed = norm(mixed)
    if gate is not None:
        mixed = mixed * gate(x).sigmoid()
    return Attended(attention.proj_drop(attention.proj(mixed)), q, k, v, attention.scale)


def _mix(attention: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Values mixed by attention, (batch, heads, tokens, head_dim)."""
    if attention.fused_attn:
        dropout = attention.attn_drop.p if attention.training else 0.0
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
    weights = ((q * attention.scale) @ k.transpose(-2, -1)).softmax(dim=-1)
    mixed: Tensor = attention.attn_drop(weights) @ v
    return mixed


class CutBlock(Cutting, Block):
    """timm's `Block`, with a cut between its attention and its MLP."""

    def forward_and_kept(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Cutting.forward_and_kept`."""
        self.admit(x)
        attended = attend(self.attn, self.norm1(x))
        x = x + self.drop_path1(self.ls1(attended.output))
        x, kept = self.cut(x, attended)
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x)))), kept


FAMILY = BlockFamily(block=Block, attention=Attention, cut_block=CutBlock, attend=attend)
