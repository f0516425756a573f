"""The models that can be cut, one line each, and where their trunk is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.errors import UnsupportedModelError
from optimizer.pruning.installed import modules_of
from optimizer.pruning.trunks.family import TrunkFamily
from optimizer.pruning.trunks.refused import REASONS

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILIES", "WRAPPERS", "family_of_trunk", "original_trunk", "trunk_of"]

_NAMES = (
    "vision_transformer",
    "eva",
    "beit",
    "relpos",
    "cait",
    "naflex",
    "qwen3",
    "deepseek",
    "gemma4",
)

_MODULES = modules_of("trunks", _NAMES)

FAMILIES: tuple[TrunkFamily, ...] = tuple(
    family for module in _MODULES for family in module.FAMILIES
)

WRAPPERS: tuple[type[nn.Module], ...] = tuple(
    wrapper for module in _MODULES for wrapper in getattr(module, "WRAPPERS", ())
)
"""timm's classifiers that hold a trunk as `encoder` and hand its features to a head."""


def trunk_of(model: nn.Module) -> Any:
    """The part of a model that holds the blocks: mostly the model itself."""
    return model.encoder if type(model) in WRAPPERS else model


def family_of_trunk(model: nn.Module) -> TrunkFamily:
    """The family of an uncut model's trunk, by its exact class.

    Raises:
        UnsupportedModelError: it has none; with the reason where it is known.
    """
    trunk = trunk_of(model)
    for family in FAMILIES:
        if family.trunk is type(trunk):
            return family
    found = f"{type(model).__module__}.{type(model).__qualname__}"
    reason = REASONS.get(type(model).__name__) if found.startswith("timm.") else None
    if reason is not None:
        raise UnsupportedModelError(f"found {found}, which cannot be cut: {reason}")
    known = [family.trunk.__name__ for family in FAMILIES] + [c.__name__ for c in WRAPPERS]
    raise UnsupportedModelError(
        f"found {found}: supported are exactly timm's {', '.join(known)}, before any "
        "wrapping or compiling"
    )


def original_trunk(cut_trunk: type[nn.Module]) -> type[nn.Module]:
    """The timm class that a trunk has again after `undo`; itself if it was never cut."""
    timm = (family.trunk for family in FAMILIES if family.cut_trunk is cut_trunk)
    return next(timm, cut_trunk)
