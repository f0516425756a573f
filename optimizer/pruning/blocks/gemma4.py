"""Gemma 4's block: norms before and after each branch, rotation along both axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from timm.models.gemma4_vit import (
    Gemma4Attention,
    Gemma4Block,
    apply_multidimensional_rope,
)

from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.family import BlockFamily, Probe, probe_plain
from optimizer.pruning.blocks.mixing import mix

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutGemma4Block"]


def _attend(
    attention: Any, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None
) -> Attended:
    """Restate `Gemma4Attention.forward` of timm 1.0.31 on the module's own parts."""
    q, k, v = (
        norm(project(x).unflatten(-1, (-1, attention.head_dim)))
        for norm, project in (
            (attention.q_norm, attention.q_proj),
            (attention.k_norm, attention.k_proj),
            (attention.v_norm, attention.v_proj),
        )
    )
    q, k = (apply_multidimensional_rope(part, cos, sin) for part in (q, k))
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    if attention.num_kv_groups > 1:
        k = k.repeat_interleave(attention.num_kv_groups, dim=1)
        v = v.repeat_interleave(attention.num_kv_groups, dim=1)
    # Queries and keys are normalised, so nothing is left to scale.
    mixed = mix(attention, q, k, v, bias=mask, scale=1.0)
    mixed = mixed.transpose(1, 2).flatten(2)
    output = attention.proj_drop(attention.o_proj(mixed))
    return Attended(output, q, k, v, 1.0, mask)


def _probe(block: Any, width: int) -> Probe:
    probe = probe_plain(block, width)
    generator = torch.Generator().manual_seed(1)
    shape = (*probe.x.shape[:2], block.attn.head_dim)
    angles = torch.randn(shape, generator=generator, device="cpu")
    turns = {"rope_cos": angles.cos(), "rope_sin": angles.sin()}
    return Probe(probe.x, turns, turns)


class CutGemma4Block(Cutting, Gemma4Block):
    """timm's `Gemma4Block`, with a cut between its attention and its MLP."""

    def attend(
        self,
        x: Tensor,
        *,
        rope_cos: Tensor,
        rope_sin: Tensor,
        mask: Tensor | None = None,
        real: Tensor | None = None,
    ) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = _attend(self.attn, self.norm1(x), rope_cos, rope_sin, mask)
        return x + self.drop_path(self.norm2(seen.output)), seen._replace(real=real)

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path(self.norm4(self.mlp(self.norm3(x))))
        return left


FAMILIES = (
    BlockFamily(
        Gemma4Block,
        (Gemma4Attention,),
        CutGemma4Block,
        _probe,
        blind={"value-norm": "its values are all normalised to one length"},
    ),
)
