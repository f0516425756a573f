"""What a trunk family must bring: timm's class and its counterpart that threads the cuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

__all__ = ["Shape", "TrunkFamily", "shape_of"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a schedule must agree with.

    Attributes:
        patches: tokens of an image's own; None where it may have any number.
        prefix: tokens before them.
        class_token: whether the first of these is one that a head reads.
    """

    patches: int | None
    prefix: int
    class_token: bool


def shape_of(trunk: Any) -> Shape:
    """The shape of a trunk that embeds patches as timm mostly does."""
    return Shape(
        patches=int(trunk.patch_embed.num_patches),
        prefix=int(trunk.num_prefix_tokens),
        # Not the number of prefix tokens: index 0 may be a register.
        class_token=getattr(trunk, "cls_token", None) is not None,
    )


@dataclass(frozen=True, slots=True)
class TrunkFamily:
    """One timm model class whose blocks may drop tokens.

    Attributes:
        trunk: timm's class; exactly this one is recognised, no subclass.
        cut_trunk: a subclass of it with the same weights, and of `CutTrunk`.
        shape: tells what a schedule must agree with.
    """

    trunk: type[nn.Module]
    cut_trunk: type[nn.Module]
    shape: Callable[[Any], Shape] = shape_of
