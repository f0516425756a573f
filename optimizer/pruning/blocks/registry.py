"""The block families that can be cut: one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.pruning.blocks.family import BlockFamily
from optimizer.pruning.installed import modules_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILIES", "family_of", "original_block"]

_NAMES = (
    "vision_transformer",
    "parallel",
    "eva",
    "deepseek",
    "gemma4",
    "beit",
    "relpos",
    "cait",
)

FAMILIES: tuple[BlockFamily, ...] = tuple(
    family for module in modules_of("blocks", _NAMES) for family in module.FAMILIES
)


def family_of(block: nn.Module) -> BlockFamily | None:
    """The family of an uncut block, by its exact class; None if it has none."""
    return next((family for family in FAMILIES if family.block is type(block)), None)


def original_block(cut_block: type) -> type[nn.Module]:
    """The timm class that a cut block has again after `undo`."""
    return next(family.block for family in FAMILIES if family.cut_block is cut_block)
