"""A private copy of a module that shares its weights: for looking without touching."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import nn

__all__ = ["twin"]

_Module = TypeVar("_Module", bound="nn.Module")


def twin(module: _Module) -> _Module:
    """Copy a module's structure and share everything that it holds.

    Every submodule is a new object, so its class, its training flag and its attributes
    may be set without the original, or another thread that runs it, noticing. Weights,
    buffers and hooks are the same objects: no memory is spent on them, and a hook that
    changes a result changes the twin's too.

    >>> from torch import nn
    >>> original = nn.Sequential(nn.Linear(2, 2))
    >>> other = twin(original).eval()
    >>> original[0].training, other[0].weight is original[0].weight
    (True, True)
    """
    memo: dict[int, object] = {
        id(value): value
        for part in module.modules()
        for name, value in vars(part).items()
        if name != "_modules"  # the one attribute to be copied: it holds the submodules
    }
    return copy.deepcopy(module, memo)
