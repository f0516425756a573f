"""Correct or refused: what `apply` asks of a model before it touches anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from optimizer.errors import ScheduleError, UnsupportedModelError
from optimizer.pruning.blocks.registry import FAMILIES, family_of
from optimizer.pruning.cut import Cut
from optimizer.pruning.models import CUT_MODELS
from optimizer.pruning.twinning import twin

if TYPE_CHECKING:
    from torch import Tensor, nn

    from optimizer.pruning.blocks.family import BlockFamily
    from optimizer.schedule import Schedule

__all__ = ["check_fit", "check_restated", "families_of"]

_PATCHES = 4  # enough that tokens, heads and batch cannot be mistaken for one another


def families_of(model: nn.Module) -> tuple[BlockFamily, ...]:
    """The family of each block of the model.

    Raises:
        UnsupportedModelError: the model, a block or its attention is not exactly one that
            is known, or has a `forward` of its own that a swapped class would not replace.
    """
    if type(model) not in CUT_MODELS:
        raise UnsupportedModelError(
            f"found {_name(model)}: supported are exactly timm's "
            + " and ".join(known.__name__ for known in CUT_MODELS)
            + ", before any wrapping or compiling"
        )
    _check_forward(model, "the model")
    blocks: Any = model.blocks
    return tuple(_family(block, f"blocks[{index}]") for index, block in enumerate(blocks))


def check_fit(model: Any, schedule: Schedule) -> None:
    """Compare a schedule's depth, full count and prefix with the model's.

    Raises:
        ScheduleError: naming the first that differs.
    """
    prefix = model.num_prefix_tokens
    for what, planned, found in (
        ("depth", schedule.depth, len(model.blocks)),
        ("prefix", schedule.prefix, prefix),
        ("full", schedule.full, model.patch_embed.num_patches + prefix),
    ):
        if planned != found:
            raise ScheduleError(
                f"the schedule's {what} is {planned}, this model's is {found}: "
                "make the schedule for this model and image size"
            )


def check_restated(block: Any, family: BlockFamily, *, width: int, where: str) -> None:
    """Compare our restatement of timm's attention and block with timm's own `forward`.

    It runs a few random tokens through a twin of the block in evaluation mode, at its
    dtype and on its device, where both sides do the same arithmetic; so only rounding may
    differ. Training flags and the global random state stay as they are. A block on the
    meta device, which has no numbers to compare, is passed over.

    Args:
        block: not yet cut.
        family: of that block.
        width: features of a token.
        where: the block's place in the model, for messages.

    Raises:
        UnsupportedModelError: they differ, so this timm is not the one that was restated.
    """
    like = next(weight for weight in block.parameters() if weight.is_floating_point())
    if like.is_meta:
        return
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, _PATCHES, width, generator=generator, device="cpu").to(like)
    other = twin(block).eval()
    with torch.no_grad():
        _compare(family.attend(other.attn, x).output, other.attn(x), f"{where}.attn")
        timm_says = other(x)
        other.__class__ = family.cut_block
        other.pruning_cut = Cut(0, _PATCHES, _PATCHES, 0, 0, average=False, score="value-norm")
        _compare(other(x), timm_says, where)


def _compare(ours: Tensor, timm_says: Tensor, where: str) -> None:
    rounding = 8 * torch.finfo(timm_says.dtype).eps
    # Weights that were never set may hold NaN: not this check's matter.
    if not torch.allclose(ours, timm_says, rtol=rounding, atol=rounding, equal_nan=True):
        raise UnsupportedModelError(
            f"{where} does not compute what it did in timm 1.0.3 to 1.0.31: "
            "install one of these, or remove the hook that changes it"
        )


def _family(block: nn.Module, where: str) -> BlockFamily:
    family = family_of(block)
    if family is None:
        known = ", ".join(family.block.__name__ for family in FAMILIES)
        raise UnsupportedModelError(
            f"{where} is {_name(block)}: supported is exactly timm's {known}"
        )
    attention = block.attn
    if type(attention) is not family.attention:
        raise UnsupportedModelError(
            f"{where}.attn is {_name(attention)}: "
            f"supported is exactly timm's {family.attention.__name__}"
        )
    _check_forward(block, where)
    _check_forward(attention, f"{where}.attn")
    return family


def _check_forward(module: object, where: str) -> None:
    if "forward" in vars(module):
        raise UnsupportedModelError(
            f"{where} has a forward of its own, set on the object: "
            "supported is timm's, so apply before whatever set it"
        )


def _name(module: object) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"
