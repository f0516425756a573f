"""Batches of a fixed make-up, whoever asks: from places in a data set, or from a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from torch.utils.data import DataLoader, Dataset

from optimizer.errors import ImagesError
from optimizer.images.batch import Batch, Broken, Item, join
from optimizer.images.items import Intake
from optimizer.images.spreading import World

__all__ = ["Indexed", "Items", "Streamed", "Supply"]


class Items(Protocol):
    """A data set with places from 0 on."""

    def __len__(self) -> int:
        """How many images there are."""

    def __getitem__(self, place: int, /) -> Any:
        """What stands there; see `Intake.item`."""


class Supply(Protocol):
    """What gives batches."""

    def batches(self, size: int, world: World) -> Iterator[Batch]:
        """Those for this process, in order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Indexed:
    """Images that are read by their places, in any process, by several workers.

    Attributes:
        items: the data set.
        places: of the images, in order.
        names: what to call each place in messages, for all of the data set.
        intake: of the model.
        workers: processes that read ahead; 0 to read in this one.
        close: closes what reading opened in this process.
    """

    items: Items
    places: tuple[int, ...]
    names: Sequence[str]
    intake: Intake
    workers: int
    close: Callable[[], object] = lambda: None

    def batches(self, size: int, world: World) -> Iterator[Batch]:
        """Those for this process: only their images are read."""
        parts = range(0, len(self.places), size)
        mine = {
            number: self.places[start : start + size]
            for number, start in enumerate(parts)
            if world.mine(number)
        }
        loader: DataLoader[Any] = DataLoader(
            _Reading(self.items, self.names, self.intake),
            batch_sampler=[list(places) for places in mine.values()],
            num_workers=min(self.workers, len(mine)),
            collate_fn=_joined,
        )
        try:
            for number, found in zip(mine, loader, strict=True):
                if isinstance(found, Broken):
                    raise ImagesError(found.reason)
                yield Batch(number, found.images, found.labels)
        finally:
            self.close()


class _Reading(Dataset[Item | Broken]):
    """A data set whose errors are values; module-level, so that any worker can have it."""

    def __init__(self, items: Items, names: Sequence[str], intake: Intake) -> None:
        self.items, self.names, self.intake = items, names, intake

    def __getitem__(self, place: int) -> Item | Broken:
        where = self.names[place]
        try:
            found = self.items[place]
        except OSError as error:
            return Broken(f"{where}: cannot be opened ({error.strerror or error})")
        try:
            return self.intake.item(found, where)
        except ImagesError as error:
            return Broken(str(error))


def _joined(items: list[Item | Broken]) -> Batch | Broken:
    whole = [item for item in items if isinstance(item, Item)]
    broken = [item for item in items if isinstance(item, Broken)]
    return broken[0] if broken else join(0, whole)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Streamed:
    """Images that come one after another, alone or in batches of any size.

    Every process goes through all of the stream and keeps its own batches.

    Attributes:
        elements: can be gone through again and again, in the same order.
        name: of the stream, for messages.
        places: of the images wanted; None for all up to
        limit: images wanted from the front; None for all.
        intake: of the model.
    """

    elements: Iterable[Any]
    name: str
    places: frozenset[int] | None
    limit: int | None
    intake: Intake

    def batches(self, size: int, world: World) -> Iterator[Batch]:
        """Those for this process, once their images have come by."""
        wanted = self._wanted()
        number = 0
        while items := list(islice(wanted, size)):
            if world.mine(number):
                yield join(number, items)
            number += 1

    def _wanted(self) -> Iterator[Item]:
        last = None if self.places is None else max(self.places, default=-1)
        for place, item in enumerate(self._all()):
            if self.places is None or place in self.places:
                yield item
            if place == last or place + 1 == self.limit:
                return

    def _all(self) -> Iterator[Item]:
        for number, element in enumerate(self.elements):
            yield from self.intake.rows(element, f"{self.name}[{number}]")
