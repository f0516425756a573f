"""Batches of images, as whoever loads them gives them, to each process its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from optimizer.errors import DamageError
from optimizer.images.batch import Batch
from optimizer.images.loading import Images

if TYPE_CHECKING:
    from torch import Tensor, nn

    from optimizer.images.spreading import World

__all__ = ["images_for", "require_several"]


def images_for(
    model: nn.Module, images: Images | Iterable[Any], world: World
) -> Iterator[Tensor]:
    """The batches of one process, where the model is and in its number format.

    Args:
        model: that is to look at them.
        images: from `optimizer.images.loading.load_images`; or batches, each (batch,
            channels, height, width) or a pair whose first part is that.
        world: of this process; whole batches are dealt out in turn.
    """
    if isinstance(images, Images):
        mine: Iterator[Any] = images.batches(world)
    else:
        mine = (given for number, given in enumerate(images) if world.mine(number))
    weight = next(model.parameters())
    for given in mine:
        yield _tensor(given).to(device=weight.device, dtype=weight.dtype)


def _tensor(given: Any) -> Tensor:
    if isinstance(given, Batch):
        return given.images
    found = given[0] if isinstance(given, (tuple, list)) and given else given
    if not isinstance(found, torch.Tensor) or found.ndim != 4:
        raise DamageError(
            f"a batch of images is a {type(found).__name__}: must be a tensor (batch, "
            "channels, height, width), or a pair whose first part is one"
        )
    return found


def require_several(images: int) -> None:
    """A mean needs two images for an error, and more to be worth something.

    Raises:
        DamageError: there are fewer.
    """
    if images < 2:
        raise DamageError(
            f"found {images} images: give 2 or more, and a hundred for a good table"
        )
