"""A model by timm's name with weights: random ones, timm's own, or those of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import timm
import torch

from latmodel.architectures import build_model
from optimizer.errors import WeightsError
from optimizer.pruning.picturing.weights import classes_of, place_weights, read_weights

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "Weighted",
    "pretrained_model",
    "random_model",
    "require_one_source",
    "weighted_model",
]


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """A model and where its weights come from.

    Attributes:
        model: in evaluation mode, in fp32 on the CPU.
        origin: of its weights, in words.
        random: whether they are, so that its answers mean nothing.
    """

    model: nn.Module
    origin: str
    random: bool


def weighted_model(
    name: str, *, checkpoint: str | Path | None = None, pretrained: bool = False
) -> Weighted:
    """Build a model whose answers count: it has the classes of its weights, or none as they.

    Args:
        name: timm's.
        checkpoint: a file of weights for it; see `load_weights`.
        pretrained: take timm's own weights, downloaded once. By default they are random, the
            same each time.

    Raises:
        WeightsError: both kinds of weights are asked for, or one cannot be had.
        UnknownModelError: timm has no model of that name.
    """
    require_one_source(checkpoint, pretrained=pretrained)
    if pretrained:
        return Weighted(pretrained_model(name), "timm's pretrained weights", random=False)
    if checkpoint is None:
        return Weighted(random_model(name), "random weights", random=True)
    place = Path(checkpoint)
    found = read_weights(place)
    model = random_model(name)
    classes = classes_of(model, found)
    if classes != getattr(model, "num_classes", classes):
        model = random_model(name, num_classes=classes)
    left = place_weights(model, found, place)
    if left:
        raise WeightsError(
            f"{place}: has no {left[0]!r} that fits a classifier of {classes} classes, and "
            "accuracy depends on it: give the whole checkpoint"
        )
    return Weighted(model, f"weights of {place.name}", random=False)


def require_one_source(checkpoint: str | Path | None, *, pretrained: bool) -> None:
    """Refuse two sources of weights.

    Raises:
        WeightsError: both are given.
    """
    if pretrained and checkpoint is not None:
        raise WeightsError("checkpoint and pretrained exclude each other: leave one out")


def random_model(name: str, **options: object) -> nn.Module:
    """A model with the same random weights each time, and the caller's generator as it was.

    Args:
        name: timm's.
        options: for `timm.create_model`.

    Raises:
        UnknownModelError: timm has no model of that name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(name, **options)


def pretrained_model(name: str) -> nn.Module:
    """A model with timm's own weights, downloaded once.

    Raises:
        WeightsError: timm has none, or they cannot be had.
        UnknownModelError: timm has no model of that name.
    """
    if not timm.is_model_pretrained(name):
        raise WeightsError(
            f"timm {timm.__version__} has no pretrained weights of {name}: give a checkpoint"
        )
    try:
        return build_model(name, pretrained=True)
    except (OSError, ValueError, RuntimeError) as error:
        said = str(error).split("\n", maxsplit=1)[0][:120]
        raise WeightsError(
            f"the pretrained weights of {name} could not be had ({said}): connect to the "
            "network, or give a checkpoint"
        ) from None
