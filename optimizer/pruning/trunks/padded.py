"""Batches of images of different sizes: tokens of which some are padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from optimizer.errors import UnsupportedModelError
from optimizer.pruning.blocks.cutting import Cutting

if TYPE_CHECKING:
    from torch import Tensor, nn

    from optimizer.pruning.trail import Trail

__all__ = ["real_tokens", "refuse_padded", "still_real"]


def real_tokens(valid: Tensor | None, prefix: int) -> Tensor | None:
    """Which tokens are no padding, prefix included: (batch, tokens) bool."""
    if valid is None:
        return None
    front = valid.new_ones((valid.shape[0], prefix), dtype=torch.bool)
    return torch.cat([front, valid.bool()], dim=1)


def still_real(valid: Tensor | None, trail: Trail) -> Tensor | None:
    """Which of the patches that are left are no padding, (batch, patches)."""
    if valid is None or trail.positions is None:
        return valid
    return valid.gather(1, trail.positions)


def refuse_padded(blocks: nn.Module) -> None:
    """A mean over padding, or one order for all, would make an image depend on its batch.

    Raises:
        UnsupportedModelError: a block averages what it drops, or drops in a fixed order.
    """
    cuts = [block.pruning_cut for block in blocks.children() if isinstance(block, Cutting)]
    if any(cut.score == "random" and cut.rows is None for cut in cuts):
        raise UnsupportedModelError(
            "score is 'random', one order for all images, and these come with padding at "
            "different places: apply with another score"
        )
    if any(cut.average for cut in cuts):
        raise UnsupportedModelError(
            "dropped is 'average', and these images come with padding, which is no part of "
            "a mean: apply with dropped='drop' or 'merge'"
        )
