"""`load_images` of a data set that only comes one image after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from timm.data.dataset import IterableImageDataset

from optimizer.images.loading import load_images
from optimizer.images.picking import pick
from optimizer.images.spreading import World
from tests.optimizer.images.folders import (
    labels,
    model,
    shades,
)

MODEL = model()


class Reader:
    """A reader of timm's for streams, which tells its length and who is who."""

    dist_rank, dist_num_replicas = 1, 2

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[Image.Image, int]]:
        # As timm's do: where processes have met, each goes through its part.
        for place in range(self.dist_rank, 8, self.dist_num_replicas):
            yield Image.new("RGB", (32, 32), (place, place, place)), place % 5


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let `wds/` be a stream that says it has so many images; webdataset is no dependency."""

    def install(count: int) -> None:
        def create(name: str, *, root: str, split: str, **_: Any) -> Any:
            assert (name, root, split) == ("wds/", "shards", "val-{0..1}.tar")
            made: Any = IterableImageDataset
            return made(root, reader=Reader(count))

        monkeypatch.setattr("optimizer.images.sources.create_dataset", create)

    return install


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_is_gone_through_whole_by_every_process(
    stream: Callable[[int], None], workers: int
) -> None:
    """Timm would deal it out by shards; here each process keeps its batches."""
    stream(8)
    images = load_images("wds/shards", MODEL, split="val-{0..1}.tar", batch=3, workers=workers)
    assert (images.name, images.count) == ("wds/shards (val-{0..1}.tar)", 8)
    assert shades(images) == list(range(8))
    assert labels(images) == [0, 1, 2, 3, 4, 0, 1, 2]
    theirs = [[batch.number for batch in images.batches(World(rank, 2))] for rank in (0, 1)]
    assert theirs == [[0, 2], [1]]


def test_a_limit_spreads_over_a_stream_that_tells_its_length(
    stream: Callable[[int], None],
) -> None:
    stream(8)
    images = load_images("wds/shards", MODEL, split="val-{0..1}.tar", limit=4)
    assert (images.count, images.remarks) == (4, ())
    assert shades(images) == list(pick(8, 4)) != [0, 1, 2, 3]


def test_of_a_stream_that_does_not_the_first_are_taken(stream: Callable[[int], None]) -> None:
    stream(0)
    images = load_images("wds/shards", MODEL, split="val-{0..1}.tar", limit=4)
    assert images.count is None
    assert images.remarks == (
        "wds/shards (val-{0..1}.tar) cannot tell how many images it has: the first are taken",
    )
    assert shades(images) == [0, 1, 2, 3]
