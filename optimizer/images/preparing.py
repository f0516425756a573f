"""From a photograph to what a model takes: its own transform for evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform

from optimizer.errors import ImagesError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

__all__ = ["own_transform"]

_UNSAID = (
    "the model does not say how its images are resized and normalised (it has no "
    "pretrained_cfg): timm's defaults, ImageNet's, are taken"
)


def own_transform(
    model: nn.Module, shape: tuple[int, int, int]
) -> tuple[Callable[[Image], Tensor], tuple[str, ...]]:
    """What timm says is done to an image before the model sees it in evaluation.

    Args:
        model: a timm model; one that was not made by `timm.create_model` says nothing of it.
        shape: of the images that it takes at its own size, which counts.

    Returns:
        The transform, and what to know of it, a sentence each.

    Raises:
        ImagesError: the model's mean and standard deviation are not one for each channel.
    """
    # timm reads the size that the weights were trained at, the model may be built for another.
    resolve: Any = resolve_model_data_config
    config = resolve(model, args={"input_size": shape})
    for name in ("mean", "std"):
        if len(config[name]) != shape[0]:
            raise ImagesError(
                f"transform: the model's channels are {shape[0]}, and its {name} has "
                f"{len(config[name])}: give a transform of your own"
            )
    transform = create_transform(**config, is_training=False)
    if getattr(model, "pretrained_cfg", None):
        return transform, ()
    return transform, (_UNSAID,)
