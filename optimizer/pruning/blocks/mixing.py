"""Fused attention as timm calls it, shared by the families that restate it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.attended import Attended, OverHeads

__all__ = ["added", "drop_rate", "leave_attention", "mix", "mix_and_sum"]


def mix(
    attention: Any,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    bias: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """Values mixed by attention, (batch, heads, tokens that ask, head_dim).

    Fused where the module says so, as timm does; the two ways round differently.

    Args:
        attention: timm's module: its dropout and its choice of fused attention.
        q: queries, (batch, heads, tokens that ask, head_dim).
        k: keys, (batch, heads, tokens, head_dim).
        v: values, likewise.
        bias: added to the logits, broadcastable to (batch, heads, tokens, tokens).
        scale: of the logits; by default the module's own.
    """
    if attention.fused_attn:
        options: dict[str, Any] = {} if scale is None else {"scale": scale}
        # Not through a name of our own: whoever replaces torch's function means this one.
        return functional.scaled_dot_product_attention(
            q, k, v, attn_mask=bias, dropout_p=drop_rate(attention), **options
        )
    logits = (q * (attention.scale if scale is None else scale)) @ k.transpose(-2, -1)
    if bias is not None:
        logits = logits + bias
    mixed: Tensor = attention.attn_drop(logits.softmax(dim=-1)) @ v
    return mixed


def mix_and_sum(
    attention: Any, seen: Attended, over_heads: OverHeads | None
) -> tuple[Tensor, Attended]:
    """Mixed values, and what the score will read.

    A score of the whole attention matrix shares it with the values, which is quicker than
    fused attention beside it. Not in 16 bits, where a score still computes in float32, nor
    under a mask.

    Args:
        attention: timm's module.
        seen: with queries, keys and values.
        over_heads: of the score, if it reads the whole matrix.
    """
    q, k, v = seen.q, seen.k, seen.v
    if over_heads is None or seen.bias is not None or q.dtype is not torch.float32:
        return mix(attention, q, k, v, bias=seen.bias), seen
    mixed: list[Tensor] = []
    received: Any = 0.0
    for rows in seen.rows():
        mixed.append(attention.attn_drop(rows) @ v)
        received = received + over_heads(rows).sum(dim=1)
    return torch.cat(mixed, dim=2), seen._replace(received=received)


def added(bias: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """What two together add to the logits."""
    if bias is None or mask is None:
        return mask if bias is None else bias
    return bias + mask


def drop_rate(attention: Any) -> float:
    """The share of attention weights that training drops."""
    return float(attention.attn_drop.p) if attention.training else 0.0


def leave_attention(attention: Any, mixed: Tensor, x: Tensor) -> Tensor:
    """From mixed heads to what the module returns: norm, gate and projection.

    Args:
        attention: timm's module; older timm has neither norm nor gate.
        mixed: (batch, heads, tokens, head_dim).
        x: what entered the module, of the same tokens, (batch, tokens, dim).
    """
    mixed = mixed.transpose(1, 2).flatten(2)
    norm, gate = getattr(attention, "norm", None), getattr(attention, "gate", None)
    if norm is not None:
        mixed = norm(mixed)
    if gate is not None:
        mixed = mixed * torch.sigmoid(gate(x))
    left: Tensor = attention.proj_drop(attention.proj(mixed))
    return left
