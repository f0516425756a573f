"""An image as a model sees it: its size, its crop, its grid of patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from torch import nn

from optimizer.errors import PictureError
from optimizer.pruning.trunks.registry import trunk_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor

__all__ = ["Seen", "see"]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One image, ready for a model and for the eye.

    Attributes:
        batch: what the model takes, (1, 3, height, width), normalised.
        pixels: the same for the eye, uint8 of shape (height, width, 3).
        grid: rows and columns of patches.
    """

    batch: Tensor
    pixels: NDArray[np.uint8]
    grid: tuple[int, int]


def see(model: nn.Module, image: Image) -> Seen:
    """Resize, crop and normalise as timm evaluates this model.

    Args:
        model: a timm vision transformer, cut or not.
        image: in RGB, of any size.

    Raises:
        PictureError: the model takes no images of three channels, or none of a known size.
    """
    trunk = trunk_of(model)
    config: dict[str, Any] = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
    size = _size(trunk, model, config)
    config["input_size"] = (3, *size)
    batch = create_transform(**config, is_training=False)(image).unsqueeze(0)
    mean, std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
    shown = ((batch[0] * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)
    like = next(weight for weight in model.parameters() if weight.is_floating_point())
    return Seen(batch.to(like), shown.permute(1, 2, 0).numpy(), _grid(trunk, size))


def _size(trunk: Any, model: Any, config: dict[str, Any]) -> tuple[int, int]:
    """Height and width of its images: those it was built for, else those timm names."""
    first = next((part for part in trunk.modules() if isinstance(part, nn.Conv2d)), None)
    if first is not None and first.in_channels != 3:
        raise PictureError(
            f"the model takes images of {first.in_channels} channels: only those of red, "
            "green and blue can be shown"
        )
    fixed = getattr(getattr(trunk, "patch_embed", None), "img_size", None)
    if fixed is None and not (getattr(model, "pretrained_cfg", None) or {}).get("input_size"):
        raise PictureError(
            "the model takes images of any size and timm names none for it: create it by "
            "timm.create_model"
        )
    height, width = config["input_size"][1:] if fixed is None else fixed
    return int(height), int(width)


def _grid(trunk: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of patches; behind a convolutional stem, those of its output."""
    grid = getattr(getattr(trunk, "patch_embed", None), "grid_size", None)
    if grid is None:
        grid = tuple(
            side // patch for side, patch in zip(size, trunk.get_patch_size(), strict=True)
        )
    rows, columns = grid
    return int(rows), int(columns)
