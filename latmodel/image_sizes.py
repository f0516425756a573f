"""The same model on images of another size: how its token count follows."""

from __future__ import annotations

from dataclasses import replace
from math import isqrt

from latmodel.errors import WorkloadError
from latmodel.workload import Workload

__all__ = ["at_image_size", "image_size"]

_CHANNELS = 3

_RESIZED = ("plain", "reordered", "rotary", "biased", "differential")
"""Kinds of model that timm makes for another size by `img_size`, positions interpolated."""


def image_size(workload: Workload) -> int:
    """The side of the square images that a workload's token count stands for, in pixels.

    Raises:
        WorkloadError: the patches make no square, or are no square RGB patches.

    >>> from latmodel.workloads import find_workload
    >>> image_size(find_workload("deit_small_patch16_224"))
    224
    """
    return _grid(workload) * _patch(workload)


def at_image_size(workload: Workload, size: int) -> Workload:
    """The same model on square images of another size; its batch and dtype stay.

    The token count is what ``timm.create_model(model, img_size=size)`` has.

    Args:
        workload: any size.
        size: the side, in pixels; a multiple of the patch.

    Raises:
        WorkloadError: the model does not take another size that way, or the size is no
            multiple of its patch.

    >>> from latmodel.workloads import find_workload
    >>> at_image_size(find_workload("deit_small_patch16_224"), 160).tokens  # 10 x 10 and one
    101
    """
    if workload.kind not in _RESIZED:
        raise WorkloadError(
            f"{workload.model} is {workload.kind}: its token count does not follow from "
            "img_size; create the model for the size and pass it"
        )
    _grid(workload)
    patch = _patch(workload)
    if size < patch or size % patch:
        near = max(size // patch, 1) * patch
        raise WorkloadError(
            f"image size is {size}: {workload.model} takes multiples of its patch of {patch}, "
            f"such as {near} or {near + patch}"
        )
    return replace(workload, tokens=(size // patch) ** 2 + workload.prefix)


def _grid(workload: Workload) -> int:
    side = isqrt(workload.patches)
    if side**2 != workload.patches:
        raise WorkloadError(
            f"{workload.model} has {workload.patches} patches, which make no square: its image "
            "size is not known"
        )
    return side


def _patch(workload: Workload) -> int:
    patch = isqrt(workload.patch_inputs // _CHANNELS)
    if _CHANNELS * patch**2 != workload.patch_inputs:
        raise WorkloadError(
            f"{workload.model} has patches of {workload.patch_inputs} numbers, which are no "
            "squares of three channels: its image size is not known"
        )
    return patch
