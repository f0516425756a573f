"""Correct or refused: what `apply` asks of a model before it touches anything."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from optimizer.errors import ScheduleError, UnsupportedModelError
from optimizer.pruning.blocks.cutting import Decisions
from optimizer.pruning.blocks.registry import FAMILIES, family_of
from optimizer.pruning.cut import Cut
from optimizer.pruning.trunks.registry import trunk_of
from optimizer.pruning.twinning import twin

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.blocks.family import BlockFamily
    from optimizer.pruning.trunks.family import Shape, TrunkFamily
    from optimizer.schedule import Schedule

__all__ = [
    "agree",
    "check_fit",
    "check_restated",
    "check_trunk",
    "families_of",
    "name_of",
]

_ALIKE, _REORDERED = 8, 2**20
"""Units of rounding within which the same arithmetic agrees, and the same in another order;
there it is done in float64, where a million of them are 2e-10."""


def families_of(model: nn.Module) -> tuple[BlockFamily, ...]:
    """The family of each block of the model, whose trunk is known.

    Raises:
        UnsupportedModelError: a block or its attention is not exactly one that is known, or
            something has a `forward` of its own that a swapped class would not replace.
    """
    trunk = trunk_of(model)
    _check_forward(model, "the model")
    _check_forward(trunk, "the model")
    return tuple(_family(block, f"blocks[{index}]") for index, block in enumerate(trunk.blocks))


def check_fit(depth: int, shape: Shape, schedule: Schedule) -> None:
    """Compare a schedule's depth, full count and prefix with the model's.

    Args:
        depth: the model's blocks.
        shape: the model's.
        schedule: for any number of patches where the model takes any.

    Raises:
        ScheduleError: naming the first that differs.
    """
    full = schedule.full if shape.patches is None else shape.patches + shape.prefix
    for what, planned, found in (
        ("depth", schedule.depth, depth),
        ("prefix", schedule.prefix, shape.prefix),
        ("full", schedule.full, full),
    ):
        if planned != found:
            raise ScheduleError(
                f"the schedule's {what} is {planned}, this model's is {found}: "
                "make the schedule for this model and image size"
            )


def check_restated(
    block: Any, family: BlockFamily, *, width: int, where: str, rows: int | None = None
) -> None:
    """Compare our restatement of timm's block and attention with timm's own `forward`.

    It runs a few random tokens through a twin of the block in evaluation mode, at its
    dtype and on its device, where both sides do the same arithmetic; so only rounding may
    differ. Training flags and the global random state stay as they are. A block on the
    meta device, which has no numbers to compare, is passed over.

    Args:
        block: not yet cut.
        family: of that block.
        width: features of a token.
        where: the block's place in the model, for messages.
        rows: tokens at the front that alone will leave its attention: these are compared;
            None for all.

    Raises:
        UnsupportedModelError: they differ, so this timm is not the one that was restated.
    """
    like = next(weight for weight in block.parameters() if weight.is_floating_point())
    if like.is_meta:
        return
    probe = family.probe(block, width)
    # Few rows go through other kernels than many, and a saturated softmax makes much of how
    # they round: these are compared in float64, by a copy with weights of its own.
    reordered = rows is not None
    other = copy.deepcopy(block).to("cpu", torch.float64) if reordered else twin(block)
    like = like.to("cpu", torch.float64) if reordered else like
    x, ulps = probe.x.to(like), _REORDERED if reordered else _ALIKE
    attention = _listen(other.eval())
    with torch.no_grad():
        timm_says = other(x, **_moved(probe.timm, like))
        said = attention.unlisten(other) if attention is not None else None
        other.__class__ = family.cut_block
        tokens = x.shape[1]
        # A probe may have fewer tokens than the model's prefix.
        front = None if rows is None else min(rows, tokens - 1)
        after, prefix = (tokens, 0) if front is None else (front, front)
        other.pruning_cut = Cut(0, tokens, after, prefix, 0, "drop", "value-norm")
        ours = _moved(probe.ours, like)
        # First the attention: a small LayerScale may hide from the block what it does.
        if said is not None:
            attended = other.attend(x, **ours)[1].output
            _compare(attended, said[:, :front], f"{where}.attn", ulps=ulps)
        left = other(x, decided=Decisions(), **ours)
        _compare(left, timm_says[:, :front], where, ulps=ulps)


class _Listening(nn.Module):
    """Stands in for a twin's attention and keeps what it says, hooks and all."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention
        self.said: Tensor | None = None

    def forward(self, *given: Any, **options: Any) -> Tensor:
        self.said = said = self.attention(*given, **options)
        return said  # type: ignore[no-any-return]

    def unlisten(self, block: Any) -> Tensor | None:
        block.attn = self.attention
        return self.said


def _listen(block: Any) -> _Listening | None:
    if getattr(block, "attn", None) is None:
        return None
    block.attn = _Listening(block.attn)
    return block.attn  # type: ignore[no-any-return]


def check_trunk(trunk: Any, family: TrunkFamily) -> None:
    """Compare what we do before and after the blocks with what timm's own `forward` does.

    It runs one random image through a twin without blocks, as `check_restated` does tokens
    through a block; a trunk that takes images of any size runs timm's own code and is
    passed over, and so is one on the meta device.

    Raises:
        UnsupportedModelError: they differ, or somebody listens to all blocks as one, which
            a cut model runs one by one.
    """
    blocks = trunk.blocks
    if blocks._forward_hooks or blocks._forward_pre_hooks:  # noqa: SLF001 (no other way)
        raise UnsupportedModelError(
            "the model's blocks have a hook as a whole, and a cut model runs them one by one: "
            "put it on the first or last block"
        )
    like = next(weight for weight in trunk.parameters() if weight.is_floating_point())
    size = getattr(getattr(trunk, "patch_embed", None), "img_size", None)
    if like.is_meta or size is None:
        return
    other = twin(trunk).eval()
    other.blocks = type(blocks)()
    channels = next(m for m in other.modules() if isinstance(m, nn.Conv2d)).in_channels
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, channels, *size, generator=generator, device="cpu").to(like)
    with torch.no_grad():
        timm_says = other.forward_features(image)
        other.__class__ = family.cut_trunk
        _compare(other.forward_features(image), timm_says, "the model around its blocks")


def _moved(sides: dict[str, Any], like: Tensor) -> dict[str, Any]:
    return {
        name: side.to(like) if isinstance(side, torch.Tensor) else side
        for name, side in sides.items()
    }


def agree(ours: Tensor, theirs: Tensor, *, ulps: int = _ALIKE) -> bool:
    """Whether two results of one computation differ by rounding alone."""
    rounding = ulps * torch.finfo(theirs.dtype).eps
    # Sums round by the largest of what they add. Weights that were never set may hold NaN:
    # not this check's matter.
    size = max(1.0, float(theirs.abs().nan_to_num().max()))
    return torch.allclose(ours, theirs, rtol=rounding, atol=rounding * size, equal_nan=True)


def _compare(ours: Tensor, timm_says: Tensor, where: str, *, ulps: int = _ALIKE) -> None:
    if not agree(ours, timm_says, ulps=ulps):
        raise UnsupportedModelError(
            f"{where} does not compute what it did in timm 1.0.3 to 1.0.31: "
            "install one of these, or remove the hook that changes it"
        )


def _family(block: nn.Module, where: str) -> BlockFamily:
    family = family_of(block)
    if family is None:
        known = ", ".join(family.block.__name__ for family in FAMILIES)
        raise UnsupportedModelError(
            f"{where} is {name_of(block)}: supported are exactly timm's {known}"
        )
    _check_forward(block, where)
    attention = getattr(block, "attn", None)
    if attention is not None:
        if type(attention) not in family.attentions:
            allowed = ", ".join(known.__name__ for known in family.attentions)
            raise UnsupportedModelError(
                f"{where}.attn is {name_of(attention)}: supported are exactly timm's {allowed}"
            )
        _check_forward(attention, f"{where}.attn")
    return family


def _check_forward(module: object, where: str) -> None:
    if "forward" in vars(module):
        raise UnsupportedModelError(
            f"{where} has a forward of its own, set on the object: "
            "supported is timm's, so apply before whatever set it"
        )


def name_of(module: object) -> str:
    """The module's class, with where it comes from."""
    return f"{type(module).__module__}.{type(module).__qualname__}"
