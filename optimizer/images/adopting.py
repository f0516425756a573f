"""Images that a caller already has: tensors, data sets, loaders and anything iterable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from optimizer.errors import ImagesError
from optimizer.images.items import Intake
from optimizer.images.picking import pick
from optimizer.images.supplying import Indexed, Streamed, Supply

__all__ = ["adopt"]

_SHUFFLING = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)

_NAME = "images"
"""What messages call an element, with its place."""


def adopt(
    source: Any, intake: Intake, *, labelled: bool | None, limit: int | None, workers: int
) -> tuple[Supply, bool, int | None]:
    """What reads a caller's images; see `load_images`.

    Returns:
        The supply, whether labels are read, and how many images there are, if known.

    Raises:
        ImagesError: there is no image, they have no fixed order, or are no images.
    """
    source = _paired(source)
    if isinstance(source, Mapping) or not (_placed(source) or isinstance(source, Iterable)):
        raise ImagesError(
            f"images is a {type(source).__name__}: must be a path, a data set or an iterable "
            "of tensors, or of pairs of tensors and labels"
        )
    if isinstance(source, DataLoader):
        _require_order(source)
    if isinstance(source, Iterator):
        return _read_once(source, intake, labelled=labelled, limit=limit)
    first = _first(source)
    intake = replace(intake, labelled=_labels_wanted(first, labelled))
    if _placed(source) and not _is_batch(first):
        places = pick(len(source), limit)
        names = [f"{_NAME}[{place}]" for place in range(len(source))]
        supply = Indexed(
            items=source, places=places, names=names, intake=intake, workers=workers
        )
        return supply, intake.labelled, len(places)
    total = _total(source)
    wanted = None if total is None or limit is None else frozenset(pick(total, limit))
    stream = Streamed(
        elements=source, name=_NAME, places=wanted, limit=limit if total is None else None,
        intake=intake,
    )  # fmt: skip
    return stream, intake.labelled, total if wanted is None else len(wanted)


def _paired(source: Any) -> Any:
    """A tensor of images and one of their labels, as pairs."""
    if isinstance(source, tuple) and len(source) == 2:
        images, labels = source
        if _is_batch(images) and isinstance(labels, torch.Tensor) and labels.ndim == 1:
            if len(images) != len(labels):
                raise ImagesError(
                    f"images: {len(images)} images with {len(labels)} labels: give one for each"
                )
            return TensorDataset(images, labels)
    return source


def _placed(source: Any) -> bool:
    return (
        hasattr(source, "__len__")
        and hasattr(source, "__getitem__")
        and not isinstance(source, (DataLoader, IterableDataset))
    )


def _require_order(loader: DataLoader[Any]) -> None:
    if isinstance(loader.sampler, _SHUFFLING):
        raise ImagesError(
            f"images is a DataLoader with a {type(loader.sampler).__name__}, which gives "
            "another order each time: make it with shuffle=False"
        )


def _read_once(
    source: Iterator[Any], intake: Intake, *, labelled: bool | None, limit: int | None
) -> tuple[Supply, bool, int | None]:
    """Keep what can be gone through only once; in this process, so without workers."""
    first = next(source, None)
    if first is None:
        raise _empty()
    intake = replace(intake, labelled=_labels_wanted(first, labelled))

    def rows() -> Iterator[Any]:
        yield from intake.rows(first, f"{_NAME}[0]")
        for number, element in enumerate(source, start=1):
            yield from intake.rows(element, f"{_NAME}[{number}]")

    items = list(islice(rows(), limit))
    names = [f"{_NAME}[{place}]" for place in range(len(items))]
    supply = Indexed(items=items, places=pick(len(items), None), names=names, intake=intake,
                     workers=0)  # fmt: skip
    return supply, intake.labelled, len(items)


def _first(source: Any) -> Any:
    if _placed(source):
        if not len(source):
            raise _empty()
        return source[0]
    first = next(iter(source), None)
    if first is None:
        raise _empty()
    return first


def _empty() -> ImagesError:
    return ImagesError("images is empty: give one or more")


def _labels_wanted(first: Any, labelled: bool | None) -> bool:
    if labelled is not None:
        return labelled
    return isinstance(first, (tuple, list)) and len(first) == 2


def _is_batch(element: Any) -> bool:
    images = element[0] if isinstance(element, (tuple, list)) and element else element
    return isinstance(images, torch.Tensor) and images.ndim == 4


def _total(source: Any) -> int | None:
    """Images in a loader, where it tells; a list of batches is short enough to be counted."""
    if _placed(source):
        return sum(len(one[0] if isinstance(one, (tuple, list)) else one) for one in source)
    if not isinstance(source, DataLoader) or isinstance(source.dataset, IterableDataset):
        return None
    if source.batch_sampler is None:
        return len(source.sampler)  # type: ignore[arg-type]
    if type(source.batch_sampler) is not BatchSampler:
        return None
    size, count = source.batch_sampler.batch_size, len(source.sampler)  # type: ignore[arg-type]
    return count - count % size if source.drop_last else count
