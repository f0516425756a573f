"""Blocks with a relative position bias, of their own or shared by all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timm.models.vision_transformer_relpos import (
    RelPosAttention,
    RelPosBlock,
    ResPostRelPosBlock,
)

from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.family import BlockFamily, Probe, probe_plain
from optimizer.pruning.blocks.mixing import added, leave_attention, mix
from optimizer.pruning.blocks.projecting import front_of, front_rows, project_heads
from optimizer.pruning.trail import Trail

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutRelPosBlock", "CutResPostRelPosBlock"]


def _attend(
    attention: Any,
    x: Tensor,
    trail: Trail,
    *,
    shared: Tensor | None,
    mask: Tensor | None,
    rows: int | None,
) -> Attended:
    """Restate `RelPosAttention.forward` of timm 1.0.3 to 1.0.31, for the tokens there are.

    Args:
        attention: timm's module.
        x: tokens, (batch, tokens, dim).
        trail: where they came from.
        shared: the bias of all blocks, for every pair of these tokens; unread where the
            module has one of its own, as by timm.
        mask: added to the logits beside any bias.
        rows: tokens at the front that ask and leave; None for all.
    """
    q, k, v = project_heads(attention, x, rows)
    q, k = attention.q_norm(q), attention.k_norm(k)
    own = attention.rel_pos
    bias = front_rows(shared, rows)
    if own is not None:
        bias = trail.pairs(own.get_bias(), prefix=own.prefix_tokens, rows=rows)
    bias = added(bias, mask)
    mixed = mix(attention, q, k, v, bias=bias)
    output = leave_attention(attention, mixed, front_of(x, rows))
    return Attended(output, q, k, v, attention.scale, bias)


def _probe(block: Any, width: int) -> Probe:
    """As many tokens as the bias has places, since timm's own takes no other number."""
    own = block.attn.rel_pos
    tokens = 4 if own is None else own.window_area + own.prefix_tokens
    return Probe(probe_plain(block, width, tokens=tokens).x, {}, {"trail": Trail()})


class CutRelPosBlock(Cutting, RelPosBlock):
    """timm's `RelPosBlock`, with a cut between its attention and its MLP."""

    def attend(
        self,
        x: Tensor,
        *,
        trail: Trail,
        shared: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = _attend(
            self.attn, self.norm1(x), trail, shared=shared, mask=mask, rows=self.rows
        )
        return front_of(x, self.rows) + self.drop_path1(self.ls1(seen.output)), seen

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
        return left


class CutResPostRelPosBlock(Cutting, ResPostRelPosBlock):
    """timm's `ResPostRelPosBlock`, which normalises what a branch returns."""

    def attend(
        self,
        x: Tensor,
        *,
        trail: Trail,
        shared: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = _attend(self.attn, x, trail, shared=shared, mask=mask, rows=self.rows)
        return front_of(x, self.rows) + self.drop_path1(self.norm1(seen.output)), seen

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path2(self.norm2(self.mlp(x)))
        return left


FAMILIES = (
    BlockFamily(
        RelPosBlock, (RelPosAttention,), CutRelPosBlock, _probe, follows=True, fronts=True
    ),
    BlockFamily(
        ResPostRelPosBlock,
        (RelPosAttention,),
        CutResPostRelPosBlock,
        _probe,
        follows=True,
        fronts=True,
    ),
)
