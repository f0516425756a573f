"""From scores to shorter sequences: pure functions of tensors and one static plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from optimizer.errors import ScheduleError

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.cut import Cut

__all__ = ["order_patches", "shorten"]


def order_patches(scores: Tensor, cut: Cut) -> Tensor:
    """The patches by falling score, as many as the cut needs to know.

    Prefix tokens and an averaged token are scored too, and left out of the choice here.
    Which of two patches with equal scores comes first is `torch.topk`'s choice.

    Args:
        scores: (batch, before), one number per token that reaches the cut.
        cut: the plan.

    Returns:
        Positions among the patches that reach the cut, int64: (batch, kept), or (batch,
        patches) where the dropped ones are needed for their mean.

    Raises:
        ScheduleError: a score of the caller's own gave another shape.
    """
    if scores.ndim != 2 or scores.shape[1] != cut.before:
        raise ScheduleError(
            f"block {cut.block}: the score gave shape {tuple(scores.shape)}, "
            f"allowed is (batch, tokens) with {cut.before} tokens"
        )
    patches = scores[:, cut.prefix : cut.prefix + cut.patches]
    return patches.topk(cut.patches if cut.average else cut.kept, dim=1).indices


def shorten(x: Tensor, order: Tensor, cut: Cut) -> tuple[Tensor, Tensor]:
    """Keep the first patches of the order, in image order, and drop or average the rest.

    Args:
        x: tokens, (batch, before, dim).
        order: positions among the patches, best first, (batch, kept or more).
        cut: the plan.

    Returns:
        Tokens, (batch, after, dim), and the positions kept among the patches that reached
        the cut, rising, (batch, kept).
    """
    kept = order[:, : cut.kept].sort(dim=1).values
    patches = x[:, cut.prefix : cut.prefix + cut.patches]
    parts = [x[:, : cut.prefix], _gather(patches, kept)]
    if cut.average:
        parts.append(_fold(x, _gather(patches, order[:, cut.kept :]), cut))
    # Empty pieces are left out: some exporters' runtimes refuse them.
    return torch.cat([part for part in parts if part.shape[1]], dim=1), kept


def _gather(patches: Tensor, positions: Tensor) -> Tensor:
    """The tokens at these positions: (batch, positions, dim)."""
    return patches.gather(1, positions.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))


def _fold(x: Tensor, dropped: Tensor, cut: Cut) -> Tensor:
    """The mean of every patch dropped so far, (batch, 1, dim).

    Counts are static, so the weight of the mean that came in is a constant: the result is
    the mean over all patches dropped up to here, each as it was when it was dropped and
    carried on since by the averaged token.
    """
    mean = dropped.mean(dim=1, keepdim=True)
    if not cut.represented:
        return mean
    total = cut.represented + cut.dropped
    return x[:, -1:] * (cut.represented / total) + mean * (cut.dropped / total)
