"""Queries, keys and values from timm's one product, of all tokens or with few that ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["front_of", "front_rows", "project_front", "project_heads", "split_heads"]


def split_heads(joined: Tensor, heads: int, *, parts: int = 3) -> tuple[Tensor, ...]:
    """Cut (batch, tokens, parts * heads * width) into (batch, heads, tokens, width) each."""
    batch, tokens, total = joined.shape
    # No size is left to be inferred: of an empty batch none could be.
    apart = joined.reshape(batch, tokens, parts, heads, total // (parts * heads))
    apart = apart.permute(2, 0, 3, 1, 4)
    return apart.unbind(0)


def front_of(x: Tensor, rows: int | None) -> Tensor:
    """The first tokens of (batch, tokens, dim); all where `rows` is None."""
    return x if rows is None else x[:, :rows]


def front_rows(bias: Tensor | None, rows: int | None) -> Tensor | None:
    """What is added to the logits of the first queries, of (batch, heads, queries, keys)."""
    # A bias of one row is a mask of keys, the same for every query.
    if bias is None or rows is None or bias.shape[-2] == 1:
        return bias
    return bias[..., :rows, :]


def project_heads(
    attention: Any, x: Tensor, rows: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each (batch, heads, tokens, head_dim).

    Args:
        attention: timm's module, with its `qkv`.
        x: tokens, (batch, tokens, dim).
        rows: tokens at the front that ask; None for all.
    """
    heads = attention.num_heads
    if rows is None:
        q, k, v = split_heads(_project(attention, x), heads)
        return q, k, v
    asking, others = project_front(attention, x, rows)
    (q,) = split_heads(asking, heads, parts=1)
    k, v = split_heads(others, heads, parts=2)
    return q, k, v


def project_front(attention: Any, x: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """The first tokens' queries, (batch, rows, width), and everyone's keys beside values.

    Two products with the parts of timm's one weight, unless `qkv` is more than a product
    or somebody listens to it: then it runs as it is.
    """
    linear = attention.qkv
    if type(linear) is not nn.Linear or linear._forward_hooks or linear._forward_pre_hooks:  # noqa: SLF001
        joined = _project(attention, x)
        width = joined.shape[-1] // 3
        return joined[:, :rows, :width], joined[..., width:]
    bias = linear.bias if _apart(attention) is None else _apart(attention)
    width = linear.out_features // 3
    few, many = (None, None) if bias is None else (bias[:width], bias[width:])
    return (
        functional.linear(x[:, :rows], linear.weight[:width], few),
        functional.linear(x, linear.weight[width:], many),
    )


def _apart(attention: Any) -> Tensor | None:
    """EVA's and BEiT's biases: their keys have none to learn, so the parts are kept apart."""
    if getattr(attention, "q_bias", None) is None:
        return None
    return torch.cat((attention.q_bias, attention.k_bias, attention.v_bias))


def _project(attention: Any, x: Tensor) -> Tensor:
    """All three at once, (batch, tokens, 3 * heads * head_dim), as timm does."""
    bias = _apart(attention)
    if bias is None:
        plain: Tensor = attention.qkv(x)
        return plain
    if getattr(attention, "qkv_bias_separate", False):
        apart: Tensor = attention.qkv(x) + bias
        return apart
    return functional.linear(x, attention.qkv.weight, bias)
