"""A batch: some images in their fixed order, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["Batch", "Broken", "Item", "join"]


class Item(NamedTuple):
    """One image as the model takes it.

    Attributes:
        image: (channels, height, width).
        label: the number of its class; None where it is not known.
    """

    image: Tensor
    label: int | None


@dataclass(frozen=True, slots=True)
class Broken:
    """Why an image could not be read.

    A value, since an error that leaves a loader's worker loses its message among others.
    """

    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Images that the model sees together; which, does not depend on who asks.

    Attributes:
        number: of the batch, from 0.
        images: (batch, channels, height, width), on the CPU.
        labels: (batch,) int64, the numbers of their classes; None where not known.
    """

    number: int
    images: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        return int(self.images.shape[0])


def join(number: int, items: Sequence[Item]) -> Batch:
    """One batch of single images, labelled where all are.

    >>> join(0, [Item(torch.zeros(3, 8, 8), 4), Item(torch.zeros(3, 8, 8), 1)]).labels
    tensor([4, 1])
    """
    labels = [item.label for item in items if item.label is not None]
    known = torch.tensor(labels) if len(labels) == len(items) else None
    return Batch(number, torch.stack([item.image for item in items]), known)
