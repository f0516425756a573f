"""What was measured, by its SHA-256: weights and images, so that no others pass for them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

__all__ = ["digest_of_images", "digest_of_weights", "digests_by_image"]


def digest_of_weights(model: nn.Module) -> str:
    """Of every weight and stored buffer, its name, type and shape; on whatever device."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(_bytes(value))
    return digest.hexdigest()


def digests_by_image(images: Tensor) -> tuple[str, ...]:
    """Of each image of a batch, (batch, channels, height, width)."""
    return tuple(hashlib.sha256(_bytes(image)).hexdigest() for image in images)


def digest_of_images(digests: Iterable[str]) -> str:
    """Of all images by theirs, whatever their order."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _bytes(value: Tensor) -> bytes:
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()
