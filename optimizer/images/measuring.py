"""Numbers about each image, over all processes, in the order of the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

from optimizer.errors import ImagesError
from optimizer.images.spreading import World, share

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.images.batch import Batch
    from optimizer.images.loading import Images

__all__ = ["measure_images"]

_Rows = dict[str, "Tensor"]


def measure_images(
    images: Images,
    measure: Callable[[Batch], Mapping[str, Tensor]],
    *,
    world: World | None = None,
    on_images: Callable[[int], object] = lambda _: None,
) -> dict[str, Tensor]:
    """Measure every image once and give all processes all that was measured.

    A batch holds the same images however many processes there are, so the numbers are the
    same to the last bit, as long as each computes with as many threads.

    Args:
        images: what to measure.
        measure: numbers by name, of a batch: each (batch, ...), the same names each time.
        world: the processes; all must call. By default one alone.
        on_images: called after each batch of this process with how many images it had, for
            a progress bar.

    Returns:
        By name, (images, ...) on the CPU, in the order of the images.

    Raises:
        ImagesError: an image cannot be read, on any process; there is none; or they are
            fewer than was said.

    >>> from optimizer.images.loading import load_images
    >>> from timm.models.vision_transformer import VisionTransformer
    >>> vit = VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3)
    >>> grey = torch.arange(3).view(3, 1, 1, 1).expand(3, 3, 32, 32)
    >>> images = load_images(grey, vit, batch=2)
    >>> measure_images(images, lambda batch: {"mean": batch.images.mean((1, 2, 3))})["mean"]
    tensor([0., 1., 2.])
    """
    place = world or World()

    def work() -> dict[int, _Rows]:
        done: dict[int, _Rows] = {}
        for batch in images.batches(place):
            rows = {name: row.detach().cpu() for name, row in measure(batch).items()}
            for name, row in rows.items():
                if len(row) != len(batch):
                    raise ImagesError(
                        f"measure gave {len(row)} rows of {name!r} for {len(batch)} images: "
                        "it must give one for each"
                    )
            done[batch.number] = rows
            on_images(len(batch))
        return done

    parts: dict[int, _Rows] = {}
    for part in share(place, work):
        parts |= part
    return _joined(images, parts)


def _joined(images: Images, parts: Mapping[int, _Rows]) -> _Rows:
    ordered = [parts[number] for number in sorted(parts)]
    if not ordered:
        raise ImagesError(f"images {images.name}: gave no image that its reader could read")
    found = {name: torch.cat([rows[name] for rows in ordered]) for name in ordered[0]}
    if found and images.count is not None:
        count = len(next(iter(found.values())))
        if count != images.count:
            raise ImagesError(
                f"images {images.name}: gave {count} of {images.count} images: its reader "
                "leaves out those it cannot read; mend them, or say how many there are"
            )
    return found
