"""Does the head read the prefix alone? What a lossless last cut asks of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from latmodel.architectures import reads_prefix_only
from optimizer.errors import UnsupportedModelError
from optimizer.pruning.checking import agree, name_of
from optimizer.pruning.twinning import twin

if TYPE_CHECKING:
    from torch import nn

    from optimizer.pruning.blocks.family import BlockFamily

__all__ = ["check_fronts"]


def check_fronts(
    model: nn.Module, block: nn.Module, family: BlockFamily, *, prefix: int, where: str
) -> None:
    """Ask whether nothing but the prefix need leave the last block's attention.

    The head is run on random tokens, with the patches and without, so that whatever was
    changed in it counts; on the meta device its kind must do.

    Args:
        model: not yet cut.
        block: its last.
        family: of that block.
        prefix: tokens at the front.
        where: the block's place in the model, for messages.

    Raises:
        UnsupportedModelError: the head reads other tokens, or the block cannot be run for
            the first tokens alone.
    """
    advice = f"give the last block more than the {prefix} prefix tokens"
    if not reads_prefix_only(model) or not _same_head(model, prefix):
        raise UnsupportedModelError(
            f"the schedule ends in the {prefix} prefix tokens, and this model's head reads "
            f"others (global_pool is {getattr(model, 'global_pool', None)!r}): {advice}"
        )
    if not family.fronts:
        raise UnsupportedModelError(
            f"the schedule ends in the {prefix} prefix tokens, and {where} is "
            f"{name_of(block)}, which cannot be run for these alone: {advice}"
        )


def _same_head(model: Any, prefix: int) -> bool:
    like = next(weight for weight in model.parameters() if weight.is_floating_point())
    if like.is_meta:
        return True
    generator = torch.Generator().manual_seed(0)
    shape = (2, prefix + 3, int(model.embed_dim))
    x = torch.randn(shape, generator=generator, device="cpu").to(like)
    other = twin(model).eval()
    with torch.no_grad():
        every, few = other.forward_head(x), other.forward_head(x[:, :prefix].contiguous())
    return every.shape == few.shape and agree(few, every)
