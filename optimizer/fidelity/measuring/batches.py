"""Batches of images, as whoever loads them gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.errors import DamageError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["images_of", "require_several"]


def images_of(given: Any, model: nn.Module) -> Tensor:
    """The images of a batch, where the model is and in its number format.

    Args:
        given: (batch, channels, height, width), or a pair whose first part is that.
        model: that is to look at them.
    """
    images: Tensor = given[0] if isinstance(given, (tuple, list)) else given
    weight = next(model.parameters())
    return images.to(device=weight.device, dtype=weight.dtype)


def require_several(images: int) -> None:
    """A mean needs two images for an error, and more to be worth something.

    Raises:
        DamageError: there are fewer.
    """
    if images < 2:
        raise DamageError(
            f"found {images} images: give 2 or more, and a hundred for a good table"
        )
