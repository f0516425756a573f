"""What a block's attention made and what it was made from: all that a score may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torch import is_grad_enabled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    OverHeads = Callable[[Tensor], Tensor]
    """Makes one attention matrix of those of all heads."""

__all__ = ["Attended"]

_QUERIES = 256
"""Queries whose attention is made at a time, at most.

At 577 tokens of DeiT-S, scoring and mixing 193 queries at a time took 1.07 of what fused
attention takes, all at once 2.5 (two cores, torch 2.14)."""


class Attended(NamedTuple):
    """One attention, as a score sees it.

    Attributes:
        output: (batch, tokens, dim), as timm's own attention returns it; empty where the
            block adds it to its MLP's.
        q: queries after any norm and rotation, unscaled, (batch, heads, tokens, head_dim).
        k: keys after any norm and rotation, same shape.
        v: values, (batch, value heads, tokens, value head_dim).
        scale: what q k^T is multiplied by.
        bias: what is added to that, broadcastable to (batch, heads, tokens, tokens).
        before: what else happens to the logits before the softmax.
        after: what happens to the softmax's output before it meets the values.
        real: which tokens are no padding, (batch, tokens) bool; None if all are.
        received: what `summed` gives, where the values were mixed by the same matrix.
    """

    output: Any
    q: Tensor
    k: Tensor
    v: Tensor
    scale: float
    bias: Tensor | None = None
    before: Callable[[Tensor], Tensor] | None = None
    after: Callable[[Tensor], Tensor] | None = None
    real: Tensor | None = None
    received: Tensor | None = None

    def detached(self) -> Attended:
        """The same without gradients: an index has none, so nothing is kept for backward."""
        if not is_grad_enabled():
            return self
        bias = None if self.bias is None else self.bias.detach()
        received = None if self.received is None else self.received.detach()
        q, k, v = self.q.detach(), self.k.detach(), self.v.detach()
        return self._replace(output=None, q=q, k=k, v=v, bias=bias, received=received)

    def summed(self, over_heads: OverHeads) -> Tensor:
        """Attention that each token receives, summed over the queries, (batch, tokens).

        Args:
            over_heads: makes one matrix of those of all heads.
        """
        if self.received is not None:
            return self.received
        total: Any = 0.0
        start = 0
        for rows in self.rows():
            part = over_heads(rows)
            if self.real is not None:
                here = self.real[:, start : start + part.shape[1]]
                part = part.masked_fill(~here.unsqueeze(-1), 0.0)
            total = total + part.sum(dim=1)
            start += part.shape[1]
        return total  # type: ignore[no-any-return]

    def rows(self) -> Iterator[Tensor]:
        """The attention matrix, some queries at a time: (batch, heads, queries, keys), float32.

        The whole of a long sequence's would leave the cache between one step and the next.
        """
        q, tokens = self.q.float(), self.q.shape[2]
        step = -(-tokens // -(-tokens // _QUERIES))
        for start in range(0, tokens, step):
            stop, bias = start + step, self.bias
            if bias is not None and bias.shape[-2] > 1:
                bias = bias[..., start:stop, :]
            yield self._weights(q[:, :, start:stop], bias)

    def first_row(self) -> Tensor:
        """What the first token attends to, (batch, heads, 1, keys); no other row is made."""
        bias = self.bias
        # A bias of one row is a mask of keys, the same for every query.
        if bias is not None and bias.shape[-2] > 1:
            bias = bias[..., :1, :]
        return self._weights(self.q[:, :, :1].float(), bias)

    def mean_row(self) -> Tensor:
        """What the mean of all queries attends to, (batch, heads, 1, keys).

        The bias of that row is the mean of the rows of the bias; padding is left out.
        """
        q, bias = self._mean(self.q.float()), self.bias
        if bias is not None and bias.shape[-2] > 1:
            bias = self._mean(bias.float())
        return self._weights(q, bias)

    def _mean(self, rows: Tensor) -> Tensor:
        """The mean over the second to last dimension, one per token."""
        if self.real is None:
            return rows.mean(dim=-2, keepdim=True)
        real = self.real[:, None, :, None]
        # Not a product: a mask's rows hold minus infinity where they are padding.
        return rows.masked_fill(~real, 0.0).sum(dim=-2, keepdim=True) / real.sum(
            dim=-2, keepdim=True
        )

    def _weights(self, q: Tensor, bias: Tensor | None) -> Tensor:
        logits = (q * self.scale) @ self.k.float().transpose(-2, -1)
        if bias is not None:
            logits = logits + bias
        if self.before is not None:
            logits = self.before(logits)
        weights = logits.softmax(dim=-1)
        return weights if self.after is None else self.after(weights)
