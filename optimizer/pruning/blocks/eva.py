"""Blocks whose attention may rotate: EVA, EVA-02, rope ViTs, DINOv3, PE, Qwen3, DeepSeek."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from timm.layers import apply_rot_embed_cat  # type: ignore[attr-defined]
from timm.models.eva import EvaAttention, EvaBlock, EvaBlockPostNorm
from torch import nn

from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.family import BlockFamily, Probe, probe_plain
from optimizer.pruning.blocks.mixing import leave_attention, mix_and_sum
from optimizer.pruning.blocks.projecting import front_of, front_rows, project_heads

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.attended import OverHeads

try:
    from timm.layers import AttentionRope  # type: ignore[attr-defined]
except ImportError:  # an older timm has none
    ATTENTIONS: tuple[type[nn.Module], ...] = (EvaAttention,)
else:
    ATTENTIONS = (EvaAttention, AttentionRope)

__all__ = [
    "ATTENTIONS",
    "FAMILIES",
    "CutEvaBlock",
    "CutEvaBlockPostNorm",
    "attend_rotated",
    "probe_rotated",
]


def attend_rotated(
    attention: Any,
    x: Tensor,
    *,
    rope: Tensor | None = None,
    mask: Tensor | None = None,
    rows: int | None = None,
    over_heads: OverHeads | None = None,
) -> Attended:
    """Restate `EvaAttention` and `AttentionRope` of timm 1.0.31 on the module's own parts.

    Args:
        attention: either of the two.
        x: tokens, (batch, tokens, dim).
        rope: sines and cosines of the tokens behind the prefix, (tokens, width), (heads,
            tokens, width) or with a batch before heads.
        mask: added to the logits.
        rows: tokens at the front that ask and leave; None for all.
        over_heads: of a score that reads the whole attention matrix.
    """
    q, k, v = _project(attention, x, rows)
    q, k, mask = attention.q_norm(q), attention.k_norm(k), front_rows(mask, rows)
    if rope is not None:
        q = _rotate(attention, q, rope, rows).type_as(v)
        k = _rotate(attention, k, rope, None).type_as(v)
    groups = getattr(attention, "num_kv_groups", 1)
    if groups > 1:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    seen = Attended(None, q, k, v, attention.scale, mask)
    mixed, seen = mix_and_sum(attention, seen, over_heads)
    return seen._replace(output=leave_attention(attention, mixed, front_of(x, rows)))


def _project(attention: Any, x: Tensor, rows: int | None) -> tuple[Tensor, Tensor, Tensor]:
    if attention.qkv is not None:
        return project_heads(attention, x, rows)
    q, k, v = (
        project(tokens).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
        for project, tokens in (
            (attention.q_proj, front_of(x, rows)),
            (attention.k_proj, x),
            (attention.v_proj, x),
        )
    )
    return q, k, v


def _rotate(attention: Any, part: Tensor, rope: Tensor, rows: int | None) -> Tensor:
    """Turn what stands behind the prefix; of the first `rows` tokens alone where given."""
    prefix, half = attention.num_prefix_tokens, getattr(attention, "rotate_half", False)
    if rows is not None and rows <= prefix:
        return part
    if rows is not None:
        rope = rope[..., : rows - prefix, :]
    options = {"half": True} if half else {}  # older timm knows only the other layout
    turned = apply_rot_embed_cat(part[:, :, prefix:], rope, **options)
    return torch.cat([part[:, :, :prefix], turned], dim=2)


def probe_rotated(block: Any, width: int) -> Probe:
    """A few tokens, each at a place of its own: as every image might have others."""
    probe = probe_plain(block, width)
    attention = block.attn
    tokens = probe.x.shape[1] + attention.num_prefix_tokens
    x = probe_plain(block, width, tokens=tokens).x
    generator = torch.Generator().manual_seed(1)
    shape = (2, 1, probe.x.shape[1], attention.head_dim)
    angles = torch.randn(shape, generator=generator, device="cpu")
    rope = torch.cat([angles.sin(), angles.cos()], dim=-1)
    return Probe(x, {"rope": rope}, {"rope": rope})


class CutEvaBlock(Cutting, EvaBlock):
    """timm's `EvaBlock`, with a cut between its attention and its MLP."""

    def attend(
        self,
        x: Tensor,
        *,
        rope: Tensor | None = None,
        mask: Tensor | None = None,
        real: Tensor | None = None,
    ) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = attend_rotated(
            self.attn,
            self.norm1(x),
            rope=rope,
            mask=mask,
            rows=self.rows,
            over_heads=self.over_heads,
        )
        x = front_of(x, self.rows) + self.drop_path1(_scaled(self.gamma_1, seen.output))
        return x, seen._replace(real=real)

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path2(_scaled(self.gamma_2, self.mlp(self.norm2(x))))
        return left


class CutEvaBlockPostNorm(Cutting, EvaBlockPostNorm):
    """timm's `EvaBlockPostNorm`, which normalises what a branch returns."""

    def attend(
        self, x: Tensor, *, rope: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = attend_rotated(
            self.attn,
            x,
            rope=rope,
            mask=mask,
            rows=self.rows,
            over_heads=self.over_heads,
        )
        return front_of(x, self.rows) + self.drop_path1(self.norm1(seen.output)), seen

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path2(self.norm2(self.mlp(x)))
        return left


def _scaled(gamma: Any, branch: Any) -> Any:
    """EVA's LayerScale is a parameter of the block, or absent."""
    return branch if gamma is None else gamma * branch


FAMILIES = (
    BlockFamily(EvaBlock, ATTENTIONS, CutEvaBlock, probe_rotated, fronts=True),
    BlockFamily(EvaBlockPostNorm, ATTENTIONS, CutEvaBlockPostNorm, probe_rotated, fronts=True),
)
