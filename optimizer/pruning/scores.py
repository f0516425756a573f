"""How much each token matters: pure functions of what a block's attention saw.

All take an `Attended` and return (batch, tokens) in float32, where a higher number is kept
longer. No image's scores depend on another image of the batch, nor on its padding. Every
token is scored; the caller looks only at the patches. They compute in float32; within an
autocast region the product of q and k has autocast's precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from optimizer.pruning.attended import Attended

__all__ = [
    "OVER_HEADS",
    "SCORES",
    "class_attention",
    "key_norm",
    "pomt",
    "pooled_attention",
    "random_order",
    "received_attention",
    "value_norm",
]


def pomt(seen: Attended) -> Tensor:
    """Attention received, plus the weight of the token's value vector among all tokens.

    The first term is ``softmax(q k^T scale)``, its maximum over heads, summed over the
    queries and divided by its own maximum over tokens; the second is the softmax over
    tokens of v, its maximum over heads, summed over features. Needs the whole attention
    matrix, (batch, heads, tokens, tokens), which fused attention never makes.

    Source:
        Eliopoulos et al., WACV 2025, arXiv:2407.05941.
    """
    received = seen.summed(most_of_heads)
    received = received / received.amax(dim=1, keepdim=True)
    v = seen.v.float()
    if seen.real is not None:
        v = v.masked_fill(~seen.real[:, None, :, None], -torch.inf)
    values = v.softmax(dim=2).amax(dim=1).sum(dim=2)  # (batch, tokens)
    return received + values


def received_attention(seen: Attended) -> Tensor:
    """Attention that the token receives from all queries: the mean over heads.

    Needs the whole attention matrix.

    Source:
        The first term of Zero-TPrune's importance before it is iterated: Wang et al. 2024,
        arXiv:2305.17328.
    """
    return seen.summed(mean_of_heads)


def class_attention(seen: Attended) -> Tensor:
    """Attention that the class token, at index 0, pays: the sum over heads.

    Only this one query row is computed.

    Source:
        EViT: Liang et al. 2022, arXiv:2202.07800, section 3.2.
    """
    return seen.first_row().sum(dim=(1, 2))


def pooled_attention(seen: Attended) -> Tensor:
    """Attention that the mean of all queries pays, summed over heads.

    For models without a class token: their index 0 may be a register, so it must not stand in
    for one.
    """
    return seen.mean_row().sum(dim=(1, 2))


def value_norm(seen: Attended) -> Tensor:
    """L2 norm of the token's value vector, over heads and features.

    >>> from optimizer.pruning.attended import Attended
    >>> value = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)  # one token, two heads
    >>> value_norm(Attended(None, value, value, value, 1.0))
    tensor([[5.]])
    """
    return _norm(seen.v)


def key_norm(seen: Attended) -> Tensor:
    """L2 norm of the token's key, over heads and features; a rotation does not change it."""
    return _norm(seen.k)


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


def most_of_heads(rows: Tensor) -> Tensor:
    """The greatest over heads: (batch, heads, queries, keys) to (batch, queries, keys)."""
    return rows.amax(dim=1)


def mean_of_heads(rows: Tensor) -> Tensor:
    """The mean over heads, likewise."""
    return rows.mean(dim=1)


def _norm(vectors: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vectors.float(), dim=(1, 3))
    return length


SCORES: dict[str, Callable[[Attended], Tensor]] = {
    "pomt": pomt,
    "cls": class_attention,
    "pooled": pooled_attention,
    "value-norm": value_norm,
    "key-norm": key_norm,
    "received-attention": received_attention,
}

OVER_HEADS: dict[str, Callable[[Tensor], Tensor]] = {
    "pomt": most_of_heads,
    "received-attention": mean_of_heads,
}
"""The scores that read every row of the attention matrix, and what they make of its heads."""
