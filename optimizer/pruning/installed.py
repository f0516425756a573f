"""The families that the installed timm has: each is a module that imports timm's own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["modules_of"]


def modules_of(folder: str, names: tuple[str, ...]) -> tuple[Any, ...]:
    """The named modules, without those whose models an older timm does not have.

    Args:
        folder: "blocks" or "trunks".
        names: of the modules.

    Raises:
        ImportError: something other than timm is missing.
    """
    found = []
    for name in names:
        try:
            found.append(import_module(f"optimizer.pruning.{folder}.{name}"))
        except ImportError as error:
            if not (error.name or "").startswith("timm"):
                raise
    return tuple(found)
