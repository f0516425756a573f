"""BEiT's block: each attention adds a bias for every pair of places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from timm.models.beit import Attention, Block
from torch.nn import functional

from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.family import BlockFamily, Probe, probe_plain
from optimizer.pruning.blocks.mixing import mix, split_heads
from optimizer.pruning.trail import Trail

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutBeitBlock"]

_PREFIX = 1  # the class token, for which the table has entries of its own


def _attend(attention: Any, x: Tensor, trail: Trail, shared: Tensor | None) -> Attended:
    """Restate beit's `Attention.forward` of timm 1.0.3 to 1.0.31, for the tokens there are.

    Args:
        attention: timm's module.
        x: normalised tokens, (batch, tokens, dim).
        trail: where they came from.
        shared: a bias for every pair of these tokens, beside the module's own.
    """
    q, k, v = split_heads(_project(attention, x), attention.num_heads)
    bias = shared
    if attention.relative_position_bias_table is not None:
        table = attention._get_rel_pos_bias()  # noqa: SLF001 (timm's one name for it)
        own = trail.pairs(table, prefix=_PREFIX)
        bias = own if shared is None else own + shared
    mixed = mix(attention, q, k, v, bias=bias).transpose(1, 2).reshape(*x.shape[:2], -1)
    output = attention.proj_drop(attention.proj(mixed))
    return Attended(output, q, k, v, attention.scale, bias)


def _project(attention: Any, x: Tensor) -> Tensor:
    if attention.q_bias is None:
        plain: Tensor = attention.qkv(x)
        return plain
    bias = torch.cat((attention.q_bias, attention.k_bias, attention.v_bias))
    if getattr(attention, "qkv_bias_separate", False):
        apart: Tensor = attention.qkv(x) + bias
        return apart
    return functional.linear(x, attention.qkv.weight, bias)


def _probe(block: Any, width: int) -> Probe:
    """As many tokens as the bias has places, since timm's own takes no other number."""
    window = block.attn.window_size
    tokens = 5 if window is None else window[0] * window[1] + _PREFIX
    return Probe(probe_plain(block, width, tokens=tokens).x, {}, {"trail": Trail()})


class CutBeitBlock(Cutting, Block):
    """beit's `Block`, with a cut between its attention and its MLP."""

    def attend(
        self, x: Tensor, *, trail: Trail, shared: Tensor | None = None
    ) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = _attend(self.attn, self.norm1(x), trail, shared)
        return x + self.drop_path1(_scaled(self.gamma_1, seen.output)), seen

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path2(_scaled(self.gamma_2, self.mlp(self.norm2(x))))
        return left


def _scaled(gamma: Any, branch: Any) -> Any:
    return branch if gamma is None else gamma * branch


FAMILIES = (BlockFamily(Block, (Attention,), CutBeitBlock, _probe, follows=True),)
