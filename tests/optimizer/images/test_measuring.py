from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from optimizer.errors import ImagesError
from optimizer.images.batch import Batch
from optimizer.images.loading import Images, load_images
from optimizer.images.measuring import measure_images
from optimizer.images.spreading import World
from tests.optimizer.images.folders import model

IMAGES = torch.arange(5).float().view(5, 1, 1, 1).expand(5, 3, 32, 32)
MODEL = model()


def test_numbers_come_in_the_order_of_the_images() -> None:
    told: list[int] = []
    images = load_images(IMAGES, MODEL, batch=2)

    def measure(batch: Batch) -> dict[str, torch.Tensor]:
        return {"mean": batch.images.mean((1, 2, 3)), "pair": batch.images[:, :2, 0, 0]}

    found = measure_images(images, measure, on_images=told.append)
    assert found["mean"].tolist() == [0, 1, 2, 3, 4]
    assert found["pair"].shape == (5, 2)
    assert told == [2, 2, 1]


def test_numbers_that_are_not_one_for_each_image_are_refused() -> None:
    with pytest.raises(ImagesError) as caught:
        measure_images(load_images(IMAGES, MODEL, batch=2), lambda _: {"mean": torch.zeros(1)})
    assert str(caught.value) == (
        "measure gave 1 rows of 'mean' for 2 images: it must give one for each"
    )


class Short:
    """What a reader that leaves out broken images gives."""

    def __init__(self, images: Images, batches: int) -> None:
        self.images, self.most = images, batches

    def batches(self, size: int, world: World) -> Iterator[Batch]:
        """The first few."""
        for batch in self.images.supply.batches(size, world):
            if batch.number < self.most:
                yield batch


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        (
            1,
            "images five: gave 2 of 5 images: its reader leaves out those it cannot read; mend "
            "them, or say how many there are",
        ),
        (0, "images five: gave no image that its reader could read"),
    ],
)
def test_images_that_are_missing_are_noticed(batches: int, said: str) -> None:
    images = Images(
        name="five",
        labelled=False,
        batch=2,
        count=5,
        remarks=(),
        supply=Short(load_images(IMAGES, MODEL), batches),
    )
    with pytest.raises(ImagesError) as caught:
        measure_images(images, lambda batch: {"zero": torch.zeros(len(batch))})
    assert str(caught.value) == said
