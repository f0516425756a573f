"""Folders and tar files of real PNGs whose shade tells which image it is."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from optimizer.errors import ImagesError
from optimizer.images.loading import Images, load_images
from tests.optimizer.pruning.tiny import tiny

__all__ = [
    "SIDE",
    "labels",
    "model",
    "pack",
    "refused",
    "shades",
    "write_classes",
    "write_flat",
    "write_image",
]

SIDE = 32


def model(**options: Any) -> Any:
    """5 classes, images of 32 x 32; a shade stays one, as it has no normalisation."""
    made = tiny(**options)
    made.pretrained_cfg = {"mean": (0, 0, 0), "std": (1, 1, 1), "crop_pct": 1.0}
    return made


def write_image(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (SIDE, SIDE), (shade, shade, shade)).save(path)
    return path


def write_classes(folder: Path, *counts: int, start: int = 0) -> Path:
    """A folder for each count, of so many images; shades rise by one in the order of names."""
    shade = start
    for label, count in enumerate(counts):
        for number in range(count):
            write_image(folder / f"class{label}" / f"{number}.png", shade)
            shade += 1
    return folder


def write_flat(folder: Path, count: int) -> Path:
    for number in range(count):
        write_image(folder / f"{number}.png", number)
    return folder


def pack(folder: Path) -> Path:
    """The folder as a tar beside it."""
    target = folder.with_suffix(".tar")
    with tarfile.open(target, "w") as tar:
        tar.add(folder, arcname=".")
    return target


def shades(images: Images) -> list[int]:
    """The shade of each image, in order."""
    found = []
    for batch in images.batches():
        found += [round(255 * float(image[0, 0, 0])) for image in batch.images]
    return found


def labels(images: Images) -> list[int]:
    """The label of each image, in order."""
    found: list[int] = []
    for batch in images.batches():
        assert batch.labels is not None
        found += batch.labels.tolist()
    return found


def refused(source: Any, **options: Any) -> str:
    """What loading, or reading, says."""
    with pytest.raises(ImagesError) as caught:
        list(load_images(source, options.pop("model", model()), **options).batches())
    return str(caught.value)
