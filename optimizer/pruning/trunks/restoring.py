"""Every patch in its place again: what a head that reads an image's grid needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from optimizer.pruning.selecting import gather_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from optimizer.pruning.trail import Decision

__all__ = ["restore"]


def restore(x: Tensor, decisions: Sequence[Decision], *, prefix: int, averaged: bool) -> Tensor:
    """Lay the tokens back on the full grid, from the last cut to the first.

    A dropped patch is filled with what stands for it: the averaged token, the token that it
    was merged into, or, where nothing does, its own state as it was dropped.

    Args:
        x: tokens that are left, (batch, tokens, dim): prefix, patches, averaged token.
        decisions: of the cuts, in the order in which they ran.
        prefix: tokens at the front.
        averaged: whether an averaged token stands at the end.

    Returns:
        (batch, full tokens, dim), without the averaged token.
    """
    if not decisions:
        return x
    front = x[:, :prefix]
    mean = x[:, -1:] if averaged else None
    # Not the flag itself: a tracer's shapes subtract no truth value.
    patches = x[:, prefix : x.shape[1] - int(averaged)]
    for decision in reversed(decisions):
        patches = _before(patches, decision, mean)
    return torch.cat([front, patches], dim=1) if prefix else patches


def _before(patches: Tensor, decision: Decision, mean: Tensor | None) -> Tensor:
    """The patches as they stood before one cut."""
    kept, gone = decision.kept, decision.gone
    if mean is not None:
        others = mean.expand(-1, gone.shape[1], -1)
    elif decision.target is not None:
        others = gather_tokens(patches, decision.target)
    else:
        assert decision.filling is not None  # noqa: S101 (whoever restores asks for it)
        others = decision.filling.to(patches.dtype)
    # Positions kept and gone are a permutation; sorting it says where each has come to lie.
    order = torch.cat([kept, gone], dim=1).argsort(dim=1)
    return gather_tokens(torch.cat([patches, others], dim=1), order)
