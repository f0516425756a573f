"""timm's plain blocks, pre-norm and post-norm: ViT, DeiT, DINOv2, SigLIP, CLIP, AIMv2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# Not from timm.layers, where timm 1.0.3 has no Attention yet.
from timm.models.vision_transformer import (  # type: ignore[attr-defined]
    Attention,
    Block,
    ResPostBlock,
)

from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.differential import ATTENTIONS as DIFFERENTIAL
from optimizer.pruning.blocks.differential import attend_differentially
from optimizer.pruning.blocks.family import BlockFamily
from optimizer.pruning.blocks.mixing import leave_attention, mix_and_sum
from optimizer.pruning.blocks.projecting import front_of, front_rows, project_heads

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.attended import OverHeads

__all__ = ["FAMILIES", "CutBlock", "CutResPostBlock", "attend", "attend_plainly"]


def attend_plainly(
    attention: Any,
    x: Tensor,
    *,
    mask: Tensor | None = None,
    rows: int | None = None,
    over_heads: OverHeads | None = None,
) -> Attended:
    """Restate `Attention.forward` of timm 1.0.3 to 1.0.31 on the module's own parts.

    Fused attention stays fused; q, k and v are computed once.

    Args:
        attention: a timm `Attention`.
        x: normalised tokens, (batch, tokens, dim).
        mask: added to the logits, broadcastable to (batch, heads, tokens, tokens).
        rows: tokens at the front that ask and leave; None for all.
        over_heads: of a score that reads the whole attention matrix.
    """
    q, k, v = project_heads(attention, x, rows)
    q, k, mask = attention.q_norm(q), attention.k_norm(k), front_rows(mask, rows)
    seen = Attended(None, q, k, v, attention.scale, mask)
    mixed, seen = mix_and_sum(attention, seen, over_heads)
    return seen._replace(output=leave_attention(attention, mixed, front_of(x, rows)))


def attend(
    attention: Any,
    x: Tensor,
    *,
    mask: Tensor | None = None,
    rows: int | None = None,
    over_heads: OverHeads | None = None,
) -> Attended:
    """Restate whichever attention a plain block has; arguments as `attend_plainly`."""
    if type(attention) in DIFFERENTIAL:
        return attend_differentially(attention, x, mask=mask, rows=rows)
    return attend_plainly(attention, x, mask=mask, rows=rows, over_heads=over_heads)


class CutBlock(Cutting, Block):
    """timm's `Block`, with a cut between its attention and its MLP."""

    def attend(
        self, x: Tensor, *, mask: Tensor | None = None, real: Tensor | None = None
    ) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = attend(
            self.attn,
            self.norm1(x),
            mask=mask,
            rows=self.rows,
            over_heads=self.over_heads,
        )
        x = front_of(x, self.rows) + self.drop_path1(self.ls1(seen.output))
        return x, seen._replace(real=real)

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
        return left


class CutResPostBlock(Cutting, ResPostBlock):
    """timm's `ResPostBlock`, which normalises what a branch returns."""

    def attend(self, x: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = attend(
            self.attn,
            x,
            mask=mask,
            rows=self.rows,
            over_heads=self.over_heads,
        )
        return front_of(x, self.rows) + self.drop_path1(self.norm1(seen.output)), seen

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path2(self.norm2(self.mlp(x)))
        return left


FAMILIES = (
    BlockFamily(Block, (Attention, *DIFFERENTIAL), CutBlock, fronts=True),
    BlockFamily(ResPostBlock, (Attention, *DIFFERENTIAL), CutResPostBlock, fronts=True),
)
