"""Differential attention: the difference of two softmaxes, for which scores are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.nn import Module, functional

from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.mixing import drop_rate, leave_attention
from optimizer.pruning.blocks.projecting import front_of, front_rows, project_front

try:
    from timm.models.vision_transformer import DiffAttention  # type: ignore[attr-defined]
except ImportError:  # an older timm has none
    ATTENTIONS: tuple[type[Module], ...] = ()
else:
    ATTENTIONS = (DiffAttention,)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ATTENTIONS", "attend_differentially", "mix_differentially"]


def attend_differentially(
    attention: Any, x: Tensor, *, mask: Tensor | None = None, rows: int | None = None
) -> Attended:
    """Restate `DiffAttention.forward` of timm 1.0.31 on the module's own parts.

    Args:
        attention: a timm `DiffAttention`.
        x: normalised tokens, (batch, tokens, dim).
        mask: added to both softmaxes' logits.
        rows: tokens at the front that ask and leave; None for all.
    """
    if rows is None:
        q, k, v = attention.qkv(x).chunk(3, dim=2)
    else:
        q, others = project_front(attention, x, rows)
        k, v = others.chunk(2, dim=2)
    mixed, seen = mix_differentially(attention, q, k, v, mask=front_rows(mask, rows))
    return seen._replace(output=leave_attention(attention, mixed, front_of(x, rows)))


def mix_differentially(
    attention: Any, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None
) -> tuple[Tensor, Attended]:
    """Mix the values by the difference of two attentions.

    Args:
        attention: the module or block that has the parameters.
        q: (batch, tokens that ask, dim), two queries of half a head's width for each head.
        k: (batch, tokens, dim), likewise.
        v: (batch, tokens, dim).
        mask: added to both softmaxes' logits.

    Returns:
        (batch, heads, tokens that ask, head width), and what a score may read, without output.
    """
    heads, half = attention.num_heads, attention.head_dim
    batch, tokens, _ = k.shape
    q = attention.q_norm(q.reshape(batch, q.shape[1], 2 * heads, half).transpose(1, 2))
    k = attention.k_norm(k.reshape(batch, tokens, 2 * heads, half).transpose(1, 2))
    v = v.reshape(batch, tokens, heads, 2 * half).transpose(1, 2)
    share = attention._compute_lambda().type_as(q)  # noqa: SLF001 (timm's one name for it)

    def subtract(weights: Tensor) -> Tensor:
        first, second = _pairs(weights)
        difference: Tensor = first - share.detach() * second
        return difference

    if attention.fused_attn:
        (q1, q2), (k1, k2) = _pairs(q), _pairs(k)
        options: dict[str, Any] = {"attn_mask": mask, "dropout_p": drop_rate(attention)}
        mixed = functional.scaled_dot_product_attention(q1, k1, v, **options)
        mixed = mixed - share * functional.scaled_dot_product_attention(q2, k2, v, **options)
    else:
        logits = (q * attention.scale) @ k.transpose(-2, -1)
        weights = attention.attn_drop((logits if mask is None else logits + mask).softmax(-1))
        first, second = _pairs(weights)
        mixed = (first - share * second) @ v
    mixed = attention.sub_norm(mixed) * (1 - attention.lambda_init)
    return mixed, Attended(None, q, k, v, attention.scale, mask, after=subtract)


def _pairs(heads: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the second of every two heads: twice (batch, heads, ...)."""
    batch, count, *rest = heads.shape
    first, second = heads.reshape(batch, count // 2, 2, *rest).unbind(2)
    return first, second
