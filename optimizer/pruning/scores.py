"""How much each token matters: pure functions on the queries, keys and values of a block.

All take q, k and v of shape (batch, heads, tokens, head_dim), after any q/k norm and not
yet scaled, and the attention's `scale`; all return (batch, tokens) in float32, where a
higher number is kept longer. No image's scores depend on another image of the batch.
Every token is scored; the caller looks only at the patches. They compute in float32;
within an autocast region the product of q and k has autocast's precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "SCORES",
    "class_attention",
    "pomt",
    "pooled_attention",
    "random_order",
    "value_norm",
]


def pomt(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Attention received, plus the weight of the token's value vector among all tokens.

    The first term is ``softmax(q k^T scale)``, its maximum over heads, summed over the
    queries and divided by its own maximum over tokens; the second is the softmax over
    tokens of v, its maximum over heads, summed over features. Needs the whole attention
    matrix, (batch, heads, tokens, tokens), which fused attention never makes.

    Source:
        Eliopoulos et al., WACV 2025, arXiv:2407.05941.
    """
    weights = _attention(q, k, scale)  # (batch, heads, queries, keys)
    received = weights.amax(dim=1).sum(dim=1)  # (batch, keys)
    received = received / received.amax(dim=1, keepdim=True)
    values = v.float().softmax(dim=2).amax(dim=1).sum(dim=2)  # (batch, tokens)
    return received + values


def class_attention(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:  # noqa: ARG001
    """Attention that the class token, at index 0, pays: the mean over heads.

    Only this one query row is computed.

    Source:
        EViT: Liang et al. 2022, arXiv:2202.07800, section 3.2.
    """
    return _attention(q[:, :, :1], k, scale).mean(dim=1).squeeze(1)


def pooled_attention(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:  # noqa: ARG001
    """Attention that the mean of all queries pays: for models without a class token.

    Index 0 of such a model may be a register, so it must not stand in for a class token.
    """
    return _attention(q.float().mean(dim=2, keepdim=True), k, scale).mean(dim=1).squeeze(1)


def value_norm(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:  # noqa: ARG001
    """L2 norm of the token's value vector, over heads and features.

    >>> value = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)  # one token, two heads
    >>> value_norm(value, value, value, 1.0)
    tensor([[5.]])
    """
    length: Tensor = torch.linalg.vector_norm(v.float(), dim=(1, 3))
    return length


def random_order(patches: int, *, block: int, seed: int = 0) -> Tensor:
    """A fixed pseudo-random order of the patches, the first of them kept longest.

    The same positions for every image and every run: a baseline that scores nothing.
    Drawn from a generator of its own, so the global random state is neither read nor
    moved.

    Args:
        patches: patches that reach the cut.
        block: index of the block; each has its own order.
        seed: a different one gives different orders.

    Returns:
        A permutation of range(patches), shape (patches,), int64, on the CPU.

    >>> random_order(4, block=0).sort().values
    tensor([0, 1, 2, 3])
    """
    generator = torch.Generator().manual_seed(seed * 2**16 + block)
    # Named, because a test or a script may have set another default device.
    return torch.randperm(patches, generator=generator, device="cpu")


def _attention(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """Softmax over keys, (batch, heads, queries, keys), float32."""
    return ((q.float() * scale) @ k.float().transpose(-2, -1)).softmax(dim=-1)


SCORES: dict[str, Callable[[Tensor, Tensor, Tensor, float], Tensor]] = {
    "pomt": pomt,
    "cls": class_attention,
    "pooled": pooled_attention,
    "value-norm": value_norm,
}
