"""`load_images` of what a caller already has: one order, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from optimizer.errors import ImagesError
from optimizer.images.loading import load_images
from tests.optimizer.images.folders import labels, model, refused, shades

MODEL = model()

TENSORS = (torch.arange(7) / 255).view(7, 1, 1, 1).expand(7, 3, 32, 32)
LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 1])


class Flow(IterableDataset[tuple[Tensor, Tensor]]):
    """A stream that can be gone through again."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(TENSORS, LABELS, strict=True)


class Places:
    """A data set that ends in no error of its own, as some do."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        return Image.new("L", (64, 64), place % 7), int(LABELS[place % 7])


PAIRS = TensorDataset(TENSORS, LABELS)

UNLABELLED: list[Any] = [
    TENSORS,
    list(TENSORS),
    iter(TENSORS),
    torch.split(TENSORS, 3),
    iter(torch.split(TENSORS, 2)),
    DataLoader(TENSORS, batch_size=2),  # type: ignore[arg-type]
]

LABELLED: list[Any] = [
    (TENSORS, LABELS),
    PAIRS,
    Places(),
    list(zip(TENSORS, LABELS.tolist(), strict=True)),
    list(zip(torch.split(TENSORS, 4), torch.split(LABELS, 4), strict=True)),
    iter(PAIRS),
    Flow(),
    DataLoader(PAIRS, batch_size=5),
    DataLoader(PAIRS, batch_size=None),
    DataLoader(Flow(), batch_size=3),
    DataLoader(PAIRS, batch_size=3, num_workers=1),
]


@pytest.mark.parametrize("source", UNLABELLED)
def test_tensors_however_they_come(source: Any) -> None:
    images = load_images(source, MODEL, batch=3)
    assert not images.labelled
    assert shades(images) == list(range(7))
    assert [len(batch) for batch in images.batches()] == [3, 3, 1]
    assert images.count == 7


@pytest.mark.parametrize("source", LABELLED)
def test_pairs_however_they_come(source: Any) -> None:
    images = load_images(source, MODEL, batch=3)
    assert images.labelled
    assert shades(images) == list(range(7))
    assert labels(images) == LABELS.tolist()
    assert images.count in (7, None)


def test_labels_may_be_left_out() -> None:
    images = load_images((TENSORS, LABELS + 100), MODEL, labelled=False)
    assert (images.labelled, len(list(images.batches()))) == (False, 1)


@pytest.mark.parametrize("limit", [1, 3, 7, 9])
def test_a_limit_takes_the_same_of_a_loader_and_of_its_data(limit: int) -> None:
    placed = load_images(PAIRS, MODEL, limit=limit)
    loaded = load_images(DataLoader(PAIRS, batch_size=2), MODEL, limit=limit)
    batched = load_images(torch.split(TENSORS, 2), MODEL, limit=limit)
    assert len(placed) == len(loaded) == len(batched) == min(limit, 7)
    assert shades(placed) == shades(loaded) == shades(batched)


def test_of_a_stream_the_first_are_taken() -> None:
    images = load_images(Flow(), MODEL, limit=3)
    assert images.count is None
    assert shades(images) == [0, 1, 2]
    once = load_images(iter(TENSORS), MODEL, limit=3)
    assert (len(once), shades(once)) == (3, [0, 1, 2])
    with pytest.raises(ImagesError) as caught:
        len(images)
    assert str(caught.value) == (
        "images the caller's images: a stream that cannot tell how many it has"
    )


def test_a_last_batch_that_is_dropped_is_not_counted() -> None:
    images = load_images(DataLoader(PAIRS, batch_size=3, drop_last=True), MODEL)
    assert len(images) == 6
    assert shades(images) == list(range(6))


def test_a_loader_that_shuffles_is_refused() -> None:
    assert refused(DataLoader(PAIRS, shuffle=True)) == (
        "images is a DataLoader with a RandomSampler, which gives another order each time: "
        "make it with shuffle=False"
    )


@pytest.mark.parametrize(
    "source", [[], iter(()), TENSORS[:0], DataLoader(TensorDataset(TENSORS[:0]))]
)
def test_nothing_is_refused(source: Any) -> None:
    assert refused(source) == "images is empty: give one or more"


@pytest.mark.parametrize("source", [7, {"image": TENSORS}])
def test_what_is_no_series_of_images_is_refused(source: Any) -> None:
    assert refused(source) == (
        f"images is a {type(source).__name__}: must be a path, a data set or an iterable of "
        "tensors, or of pairs of tensors and labels"
    )


FIRST, SMALL = TENSORS[0], TENSORS[0, :, :8]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            [SMALL],
            "images[0]: its shape is (3, 8, 32), the model takes (3, 32, 32): give images as "
            "its transform makes them",
        ),
        (
            [(FIRST, 0), (FIRST, 5)],
            "images[1]: its label is 5, the model's classes are 0 to 4: give the images that "
            "it was trained for, or labelled=False to leave labels out",
        ),
        (
            [(FIRST, -1)],
            "images[0]: its label is -1, the model's classes are 0 to 4: give the images that "
            "it was trained for, or labelled=False to leave labels out",
        ),
        (
            [(FIRST, 0.5)],
            "images[0]: its label is 0.5: must be the whole number of one class",
        ),
        (
            [(FIRST, 0), FIRST],
            "images[1]: has no label: give one to each image, or to none",
        ),
        (
            ["a.png"],
            "images[0]: found str: must be a tensor, a Pillow image or an open file, or a pair "
            "of one of these and its label",
        ),
        (
            [TENSORS, TENSORS[:, :, :8]],
            "images[1], image 0: its shape is (3, 8, 32), the model takes (3, 32, 32): give "
            "images as its transform makes them",
        ),
        (
            [(TENSORS, LABELS[:3])],
            "images[0]: 7 images with 3 labels: give one for each",
        ),
        (
            (TENSORS, LABELS[:3]),
            "images: 7 images with 3 labels: give one for each",
        ),
    ],
)
def test_an_image_that_does_not_fit_is_named(source: Any, said: str) -> None:
    assert refused(source) == said


def test_what_is_for_names_is_refused() -> None:
    assert refused(TENSORS, split="val") == "split is for a source by name: leave it out"
