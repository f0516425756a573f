"""Cut a timm model to a schedule, in place, and take the cut back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.errors import ScheduleError, UnsupportedModelError
from optimizer.plan import SCORES as NAMES
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.registry import original_block
from optimizer.pruning.checking import (
    check_fit,
    check_restated,
    check_trunk,
    families_of,
)
from optimizer.pruning.cut import plan_cuts
from optimizer.pruning.heads import check_fronts
from optimizer.pruning.scores import random_order
from optimizer.pruning.state import ATTRIBUTE, Applied, applied, is_applied
from optimizer.pruning.trunks.registry import family_of_trunk, original_trunk, trunk_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from optimizer.pruning.blocks.family import BlockFamily
    from optimizer.pruning.cut import Cut, Score
    from optimizer.pruning.trunks.family import Shape
    from optimizer.schedule import Schedule

__all__ = ["apply", "undo"]

_Model = TypeVar("_Model", bound="nn.Module")


def apply(
    model: _Model,
    schedule: Schedule,
    score: str | Score = "pomt",
    dropped: str = "average",
    *,
    proportional: bool = False,
) -> _Model:
    """Make a model run at exactly the token counts of a schedule.

    The cut of block ``i`` lies between its attention and its MLP; where both run at once
    (timm's parallel blocks), after the block. Prefix tokens are never dropped and kept
    patches stay in image order. Only classes change, of the blocks that drop tokens and of
    the model: weights, state dict keys and training flags stay, and the model can be
    copied, saved, compiled and exported. Apply before compiling or wrapping it.

    Where the last count is the prefix, that is the *lossless last cut*: the last attention
    hears every token that reaches it, but only the prefix asks it and leaves it. The head
    must read nothing else, and then the logits are equal to rounding.

    Rotations and relative biases go with their tokens. A model whose features are a grid
    (Qwen3-VL, DeepSeek, Gemma 4) gets it back dense: a dropped patch is filled with what
    stands for it, or with its own state as it was dropped; so does `forward_intermediates`
    where it is asked for "NCHW".

    Hooks on the blocks and on their parts run as before, but for two: on `attn` itself in
    a block that cuts, and on `blocks` as a whole.

    Args:
        model: one of timm's plain vision transformers, with or without weights; an error
            lists them.
        schedule: counts for this model and image size, prefix and averaged token included.
            A model that takes images of any size runs at the size that has `full` tokens.
        score: which patches to keep. "pomt": attention received and value (arXiv:
            2407.05941). "cls": attention paid by the class token, or by the mean query
            where there is none (arXiv:2202.07800). "received-attention": from all queries.
            "value-norm", "key-norm": length of these vectors. "random": a fixed order per
            block, the same for every image and run. Or a function (q, k, v, prefix) ->
            (batch, tokens), high is kept, with q, k and v of shape (batch, heads, tokens,
            head_dim); it must be picklable if the model is to be saved whole.
        dropped: "average" leaves one token more, the mean of every patch dropped so far,
            last in the sequence and counted by the schedule; to later attention and to a
            pooling head it is one token like any other, at the mean of their positions.
            "merge" adds each to the kept patch whose key is most like its own, every
            original patch weighing the same (arXiv:2210.09461). "drop" leaves nothing.
        proportional: let every attention behind the first cut count a token as often as the
            patches that it stands for: the logarithm of that is added to its logits
            (arXiv:2210.09461). Fused attention then takes a mask.

    Returns:
        The same model. Its `pruning` attribute says what was applied.

    Raises:
        UnsupportedModelError: a model, block or attention that is not known exactly, or a
            lossless last cut under a head that reads patches.
        ScheduleError: the schedule does not fit the model, the model already carries one,
            or `score` or `dropped` is no choice, or `proportional` has nothing to weigh.
            After any error the model is unchanged.

    >>> from timm.models.vision_transformer import VisionTransformer
    >>> from torch import zeros
    >>> from optimizer.schedule import Schedule
    >>> model = VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3)
    >>> _ = apply(model, Schedule(tokens=(9, 5), full=17, prefix=1))
    >>> model.forward_features(zeros(1, 3, 32, 32)).shape
    torch.Size([1, 5, 24])
    >>> type(undo(model)).__name__
    'VisionTransformer'
    """
    if is_applied(model):
        raise ScheduleError("the model already carries a schedule: undo(model) first")
    trunk, trunk_family = trunk_of(model), family_of_trunk(model)
    families = families_of(model)
    shape = trunk_family.shape(trunk)
    check_fit(len(families), shape, schedule)
    cuts = plan_cuts(
        schedule, dropped=dropped, score=_resolve(score, shape), proportional=proportional
    )
    work = _work(trunk, families, cuts)
    for block, family, cut in work:
        where, width = f"blocks[{cut.block}]", int(trunk.embed_dim)
        if cut.rows is not None:
            check_fronts(model, block, family, prefix=cut.rows, where=where)
        _check_sight(cut, family)
        check_restated(block, family, width=width, where=where, rows=cut.rows)
        _check_order(block, cut)
    if work:
        check_trunk(trunk, trunk_family)
    # Nothing below this line can fail.
    for block, family, cut in work:
        _swap(block, family, cut)
    if work:
        trunk.__class__ = trunk_family.cut_trunk
    setattr(model, ATTRIBUTE, Applied(schedule, score, dropped, proportional))
    return model


def undo(model: _Model) -> _Model:
    """Take back what `apply` did: classes, attributes and results are as before.

    Returns:
        The same model.

    Raises:
        ScheduleError: the model carries no schedule.
    """
    applied(model)
    for part in model.modules():
        if isinstance(part, Cutting):
            _unswap(part)
    trunk = trunk_of(model)
    trunk.__class__ = original_trunk(type(trunk))
    delattr(model, ATTRIBUTE)
    return model


def _work(
    trunk: Any, families: Sequence[BlockFamily], cuts: Sequence[Cut]
) -> list[tuple[Any, BlockFamily, Cut]]:
    """The blocks to change: those that cut, and those that must know what was cut."""
    work = []
    missing = False
    for block, family, cut in zip(trunk.blocks, families, cuts, strict=True):
        cutting = cut.before > cut.after
        if cutting or cut.proportional or (missing and family.follows):
            work.append((block, family, cut))
        missing = missing or cutting
    return work


def _resolve(score: str | Score, shape: Shape) -> str | Score:
    """The score that a block looks up; "cls" depends on whether there is such a token."""
    if callable(score):
        return score
    if score not in NAMES:
        choices = ", ".join(repr(name) for name in NAMES)
        raise ScheduleError(f"score is {score!r}: choose one of {choices}, or a function")
    return "pooled" if score == "cls" and not shape.class_token else score


def _check_sight(cut: Cut, family: BlockFamily) -> None:
    named = isinstance(cut.score, str) and cut.rows is None
    reason = family.blind.get(str(cut.score)) if named else None
    if reason is not None:
        raise UnsupportedModelError(
            f"score is {cut.score!r}, which tells no token of a {family.block.__name__} from "
            f"another: {reason}; choose another score"
        )


def _check_order(block: Any, cut: Cut) -> None:
    if _ordered(cut) and next(block.parameters()).is_meta:
        raise UnsupportedModelError(
            "score 'random' stores an order, which a model on the meta device cannot: "
            "give the model its weights first, or choose another score"
        )


def _ordered(cut: Cut) -> bool:
    """Whether the block holds a fixed order of its patches."""
    return cut.score == "random" and cut.before > cut.after and cut.rows is None


def _swap(block: Any, family: BlockFamily, cut: Cut) -> None:
    block.__class__ = family.cut_block
    block.pruning_cut = cut
    if _ordered(cut):
        order = random_order(cut.patches, block=cut.block).to(next(block.parameters()).device)
        block.register_buffer("pruning_order", order, persistent=False)


def _unswap(block: Any) -> None:
    block.__class__ = original_block(type(block))
    del block.pruning_cut
    if hasattr(block, "pruning_order"):
        del block.pruning_order
