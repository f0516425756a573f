"""What a data set gives, turned into an image and a label that the model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import index
from typing import IO, Any

import torch
from PIL import Image, UnidentifiedImageError

from optimizer.errors import ImagesError
from optimizer.images.batch import Item
from optimizer.pruning.picturing.photographs import FORMATS

__all__ = ["MODES", "Intake"]

MODES = {1: "L", 3: "RGB"}
"""How Pillow calls images of so many channels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intake:
    """What a model takes, and how to make it of an image.

    Attributes:
        shape: channels, height and width.
        classes: the model's; 0 where it has none.
        labelled: whether labels are wanted; then each image must have one.
        transform: makes a tensor of that shape of a Pillow image.
    """

    shape: tuple[int, int, int]
    classes: int
    labelled: bool
    transform: Callable[[Image.Image], torch.Tensor]

    def item(self, found: Any, where: str) -> Item:
        """One image, of what a data set has at one place.

        Args:
            found: an open file, a Pillow image or a tensor; or a pair of one and its label.
            where: its place in words, for messages.

        Raises:
            ImagesError: the image cannot be read or is not of the model's shape, or its
                label is missing or no class of the model's.
        """
        image, label = _pair(found)
        tensor = self._tensor(image, where)
        if tuple(tensor.shape) != self.shape:
            raise ImagesError(
                f"{where}: its shape is {tuple(tensor.shape)}, the model takes {self.shape}: "
                "give images as its transform makes them"
            )
        return Item(tensor, self._label(label, where) if self.labelled else None)

    def rows(self, found: Any, where: str) -> Iterator[Item]:
        """The images of one element of a stream, which may be a batch of tensors."""
        images, labels = _pair(found)
        if not isinstance(images, torch.Tensor) or images.ndim != 4:
            yield self.item(found, where)
            return
        if labels is not None and len(labels) != len(images):
            raise ImagesError(
                f"{where}: {len(images)} images with {len(labels)} labels: give one for each"
            )
        for row, image in enumerate(images):
            pair = (image, None if labels is None else labels[row])
            yield self.item(pair, f"{where}, image {row}")

    def _tensor(self, image: Any, where: str) -> torch.Tensor:
        if isinstance(image, torch.Tensor):
            return image.detach().to("cpu", torch.float32)
        if isinstance(image, Image.Image):
            return self.transform(image.convert(MODES[self.shape[0]]))
        if hasattr(image, "read"):
            return self.transform(self._decoded(image, where))
        raise ImagesError(
            f"{where}: found {type(image).__name__}: must be a tensor, a Pillow image or an "
            "open file, or a pair of one of these and its label"
        )

    def _decoded(self, file: IO[bytes], where: str) -> Image.Image:
        try:
            with file, Image.open(file, formats=FORMATS) as found:
                return found.convert(MODES[self.shape[0]])
        except UnidentifiedImageError:
            raise ImagesError(
                f"{where}: is none of {', '.join(FORMATS)}: mend it or take it away"
            ) from None
        except Exception as error:  # noqa: BLE001 (a decoder of a broken file raises anything)
            said = " ".join((str(error) or type(error).__name__).split())[:120]
            raise ImagesError(
                f"{where}: no image that can be read ({said}): mend it or take it away"
            ) from None

    def _label(self, label: Any, where: str) -> int:
        if label is None:
            raise ImagesError(f"{where}: has no label: give one to each image, or to none")
        try:
            number = index(label)  # an int, a numpy integer, or a tensor of one
        except TypeError:
            raise ImagesError(
                f"{where}: its label is {label!r}: must be the whole number of one class"
            ) from None
        if not 0 <= number < self.classes:
            raise ImagesError(
                f"{where}: its label is {number}, the model's classes are 0 to "
                f"{self.classes - 1}: give the images that it was trained for, or labelled="
                "False to leave labels out"
            )
        return number


def _pair(found: Any) -> tuple[Any, Any]:
    """What was found, and its label or None."""
    if isinstance(found, Sequence) and not isinstance(found, (str, bytes)) and len(found) == 2:
        return found[0], found[1]
    return found, None
