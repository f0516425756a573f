"""Images as a model takes them: one call for data sets, folders and tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import nn
from torch.utils.data import DataLoader

from optimizer.errors import ImagesError
from optimizer.images.adopting import adopt
from optimizer.images.batch import Batch
from optimizer.images.items import MODES, Intake
from optimizer.images.picking import pick
from optimizer.images.preparing import own_transform
from optimizer.images.sources import Opened, open_source
from optimizer.images.spreading import World
from optimizer.images.supplying import Indexed, Streamed, Supply
from optimizer.verifying import image_shape

__all__ = ["Images", "load_images"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """Images in a fixed order, in batches of a fixed make-up.

    Attributes:
        name: where they come from, in words.
        labelled: whether the class of each is known.
        batch: images in each but the last batch.
        count: how many there are; None for a stream that cannot tell before its end.
        remarks: what was not as it might be expected, a sentence each.
        supply: what reads them.
    """

    name: str
    labelled: bool
    batch: int
    count: int | None
    remarks: tuple[str, ...]
    supply: Supply

    def __len__(self) -> int:
        """How many there are.

        Raises:
            ImagesError: they are a stream that cannot tell.
        """
        if self.count is None:
            raise ImagesError(f"images {self.name}: a stream that cannot tell how many it has")
        return self.count

    def batches(self, world: World | None = None) -> Iterator[Batch]:
        """Those for one process, in order; may be asked for again and again.

        A batch holds the same images however many processes there are.

        Args:
            world: by default a single process, which gets all.

        Raises:
            ImagesError: an image cannot be read or used; names it.
        """
        return self.supply.batches(self.batch, world or World())


def load_images(
    source: Any,
    model: nn.Module,
    *,
    limit: int | None = None,
    split: str | None = None,
    root: str | Path | None = None,
    class_map: str | Path | Mapping[str, int] | None = None,
    batch: int = 32,
    workers: int = 0,
    labelled: bool | None = None,
    transform: Callable[[Image], torch.Tensor] | None = None,
) -> Images:
    """Images for a model, with the model's own transform for evaluation.

    Args:
        source: a folder of class folders, a flat folder of images, a .tar of either, or any
            other data set by timm's name: "wds/FOLDER", "hfds/NAME", "tfds/NAME",
            "torch/NAME". Or from Python: a data set with `len` and places, or a
            `DataLoader` or any iterable, of tensors (channels, height, width), batches of
            these, Pillow images, or pairs of one of them and its label. An iterator, which
            can be gone through only once, is read at once and kept in memory.
        model: a timm model.
        limit: how many images, at most, spread over all and the same each time: so a folder
            that is sorted by class gives of each its share. Of a stream that cannot tell
            how many it has, the first ones.
        split: of a data set that has several, such as "train"; of a folder, the folder in it.
            By default timm's: validation, where there is one.
        root: where timm keeps a data set that is neither a folder nor a tar.
        class_map: the number of each class folder: a mapping, or a .txt with a name a line.
            By default timm numbers them from 0 in the order of their names.
        batch: images that the model sees together.
        workers: processes that read ahead; 0 to read in this one.
        labelled: whether labels are wanted; by default if there are.
        transform: makes a tensor of a Pillow image; by default the model's own.

    Raises:
        ImagesError: there is no such source or no image in it, or an argument does not fit.

    >>> from timm.models.vision_transformer import VisionTransformer
    >>> vit = VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3)
    >>> images = load_images(torch.zeros(5, 3, 32, 32), vit, batch=2)
    >>> images.labelled, [len(batch) for batch in images.batches()]
    (False, [2, 2, 1])
    """
    _check(limit=limit, batch=batch, workers=workers)
    classes = int(getattr(model, "num_classes", 0))
    if labelled and not classes:
        raise ImagesError("labelled is True, and the model has no classes: leave labels out")
    labelled = labelled if classes else False
    shape = image_shape(model)
    if shape[0] not in MODES:
        raise ImagesError(f"the model takes {shape[0]} channels: images have 1 or 3")
    making, remarks = (transform, ()) if transform else own_transform(model, shape)
    intake = Intake(shape=shape, classes=classes, labelled=False, transform=making)
    if not isinstance(source, (str, Path)):
        _refuse_named(split=split, root=root, class_map=class_map)
        supply, known, count = adopt(
            source, intake, labelled=labelled, limit=limit, workers=workers
        )
        return Images(name="the caller's images", labelled=known, batch=batch, count=count,
                      remarks=remarks, supply=supply)  # fmt: skip
    opened = open_source(
        str(source), split=split, root=root, class_map=class_map, mode=MODES[shape[0]]
    )
    known = _labels(opened, labelled)
    if known:
        remarks += _check_classes(opened, classes, mapped=class_map is not None)
    supply, count = _supply(opened, replace(intake, labelled=known), limit, workers)
    if opened.stream is not None and limit is not None and opened.count is None:
        remarks += (f"{opened.name} cannot tell how many images it has: the first are taken",)
    return Images(name=opened.name, labelled=known, batch=batch, count=count, remarks=remarks,
                  supply=supply)  # fmt: skip


def _check(*, limit: int | None, batch: int, workers: int) -> None:
    for name, value, least in (
        ("limit", limit, 1),
        ("batch", batch, 1),
        ("workers", workers, 0),
    ):
        if value is not None and value < least:
            raise ImagesError(f"{name} is {value}: must be {least} or more")


def _refuse_named(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise ImagesError(f"{name} is for a source by name: leave it out")


def _labels(opened: Opened, labelled: bool | None) -> bool:
    if labelled and opened.flat:
        raise ImagesError(
            f"labelled is True, and {opened.name} has no class folders, or one alone: "
            "put each class's images into a folder of its own, or give a class_map"
        )
    return not opened.flat if labelled is None else labelled


def _check_classes(opened: Opened, classes: int, *, mapped: bool) -> tuple[str, ...]:
    """Compare a data set's classes with the model's; what is odd, a sentence each."""
    found = len(opened.classes)
    if mapped or not found or found == classes:
        return ()
    if found > classes:
        raise ImagesError(
            f"images {opened.name}: has {found} classes, from {opened.classes[0]!r} to "
            f"{opened.classes[-1]!r}, and the model {classes}: give the images that it was "
            "trained for, a class_map, or labelled=False to leave labels out"
        )
    remark = (
        f"{opened.name} has {found} classes and the model {classes}: timm numbers them from 0 "
        "in the order of their names; where the model does not, give a class_map"
    )
    return (remark,)


def _supply(
    opened: Opened, intake: Intake, limit: int | None, workers: int
) -> tuple[Supply, int | None]:
    if opened.stream is None:
        places = tuple(opened.order[place] for place in pick(len(opened.order), limit))
        supply = Indexed(
            items=opened.items, places=places, names=opened.names, intake=intake,
            workers=workers,
            close=opened.close,
        )  # fmt: skip
        return supply, len(places)
    # Made in the workers, not after them.
    opened.stream.transform = intake.transform
    total = opened.count
    wanted = None if total is None or limit is None else frozenset(pick(total, limit))
    stream = Streamed(
        elements=DataLoader(opened.stream, batch_size=None, num_workers=workers),
        name=opened.name, places=wanted, limit=limit if total is None else None, intake=intake,
    )  # fmt: skip
    return stream, total if wanted is None else len(wanted)
