"""Cut a timm model to a schedule, in place, and take the cut back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from optimizer.errors import ScheduleError, UnsupportedModelError
from optimizer.plan import SCORES
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.registry import original_block
from optimizer.pruning.checking import check_fit, check_restated, families_of
from optimizer.pruning.cut import plan_cuts
from optimizer.pruning.models import CUT_MODELS, original_model
from optimizer.pruning.scores import random_order
from optimizer.pruning.state import ATTRIBUTE, Applied, applied, is_applied

if TYPE_CHECKING:
    from torch import nn

    from optimizer.pruning.blocks.family import BlockFamily
    from optimizer.pruning.cut import Cut, Score
    from optimizer.schedule import Schedule

__all__ = ["apply", "undo"]

_Model = TypeVar("_Model", bound="nn.Module")


def apply(
    model: _Model, schedule: Schedule, score: str | Score = "pomt", dropped: str = "average"
) -> _Model:
    """Make a model run at exactly the token counts of a schedule.

    The cut of block ``i`` lies between its attention and its MLP. Prefix tokens are never
    dropped and kept patches stay in image order. Only blocks that drop tokens change, and
    only their class: weights, state dict keys and training flags stay, and the model can
    be copied, saved, compiled and exported. Apply before compiling or wrapping it.

    In a block that cuts, hooks on `attn` itself do not run; those on its parts do.

    Args:
        model: a timm `VisionTransformer` or `VisionTransformerDistilled` of plain blocks,
            with or without weights.
        schedule: counts for this model and image size, prefix and averaged token included.
        score: which patches to keep. "pomt": attention received and value (arXiv:
            2407.05941). "cls": attention paid by the class token, or by the mean query
            where there is none (arXiv:2202.07800). "value-norm": length of the value
            vector. "random": a fixed order per block, the same for every image and run.
            Or a function (q, k, v, prefix) -> (batch, tokens), high is kept, with q, k and
            v of shape (batch, heads, tokens, head_dim); it must be picklable if the model
            is to be saved whole.
        dropped: "average" leaves one token more, the mean of every patch dropped so far,
            last in the sequence and counted by the schedule; to later attention and to a
            pooling head it is one token like any other. "drop" leaves nothing.

    Returns:
        The same model. Its `pruning` attribute says what was applied.

    Raises:
        UnsupportedModelError: a model, block or attention that is not known exactly.
        ScheduleError: the schedule does not fit the model, the model already carries one,
            or `score` or `dropped` is no choice. After any error the model is unchanged.

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
    families = families_of(model)
    check_fit(model, schedule)
    cuts = plan_cuts(schedule, dropped=dropped, score=_resolve(score, model))
    work = [
        (block, family, cut)
        for block, family, cut in zip(_blocks(model), families, cuts, strict=True)
        if cut is not None
    ]
    for block, family, cut in work:
        check_restated(block, family, width=_width(model), where=f"blocks[{cut.block}]")
        _check_order(block, cut)
    # Nothing below this line can fail.
    for block, family, cut in work:
        _swap(block, family, cut)
    if work:
        model.__class__ = CUT_MODELS[type(model)]  # type: ignore[assignment]
    setattr(model, ATTRIBUTE, Applied(schedule, score, dropped))
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
    model.__class__ = original_model(type(model))  # type: ignore[assignment]
    delattr(model, ATTRIBUTE)
    return model


def _blocks(model: Any) -> list[Any]:
    return list(model.blocks)


def _width(model: Any) -> int:
    return int(model.embed_dim)


def _resolve(score: str | Score, model: Any) -> str | Score:
    """The score that a block looks up; "cls" depends on whether there is such a token."""
    if callable(score):
        return score
    if score not in SCORES:
        choices = ", ".join(repr(name) for name in SCORES)
        raise ScheduleError(f"score is {score!r}: choose one of {choices}, or a function")
    # Not the number of prefix tokens: index 0 may be a register.
    return "pooled" if score == "cls" and model.cls_token is None else score


def _check_order(block: Any, cut: Cut) -> None:
    if cut.score == "random" and next(block.parameters()).is_meta:
        raise UnsupportedModelError(
            "score 'random' stores an order, which a model on the meta device cannot: "
            "give the model its weights first, or choose another score"
        )


def _swap(block: Any, family: BlockFamily, cut: Cut) -> None:
    block.__class__ = family.cut_block
    block.pruning_cut = cut
    if cut.score == "random":
        order = random_order(cut.patches, block=cut.block).to(next(block.parameters()).device)
        block.register_buffer("pruning_order", order, persistent=False)


def _unswap(block: Any) -> None:
    block.__class__ = original_block(type(block))
    del block.pruning_cut
    if hasattr(block, "pruning_order"):
        del block.pruning_order
