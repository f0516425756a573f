"""What a block's attention made and what it was made from: all that a score may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torch import float32, is_grad_enabled

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["Attended"]


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
        weights: the whole attention matrix, (batch, heads, tokens, tokens), where it was
            made anyway.
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
    weights: Tensor | None = None

    def whole(self) -> Attended:
        """The same with the whole matrix, for a score and the values to share.

        In 16 bits each makes its own: a score computes in float32, the values do not.
        """
        return self._replace(weights=self.every_row()) if self.q.dtype is float32 else self

    def detached(self) -> Attended:
        """The same without gradients: an index has none, so nothing is kept for backward."""
        if not is_grad_enabled():
            return self
        bias = None if self.bias is None else self.bias.detach()
        weights = None if self.weights is None else self.weights.detach()
        q, k, v = self.q.detach(), self.k.detach(), self.v.detach()
        return self._replace(output=None, q=q, k=k, v=v, bias=bias, weights=weights)

    def every_row(self) -> Tensor:
        """The whole attention matrix, (batch, heads, queries, keys), float32."""
        if self.weights is not None:
            return self.weights
        return self._weights(self.q.float(), self.bias)

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
