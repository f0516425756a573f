"""Compare any two models over images: accuracy of both, and how far they agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from optimizer.evaluating.answers import (
    FEW,
    compare_features,
    compare_logits,
    require_numbers,
)
from optimizer.evaluating.shares import Change, Share
from optimizer.images.measuring import measure_images

if TYPE_CHECKING:
    from torch import Tensor, nn

    from optimizer.images.batch import Batch
    from optimizer.images.loading import Images
    from optimizer.images.spreading import World

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two models make of the same images.

    Attributes:
        count: images.
        classes: of both models; 0 where they have none.
        dense_top1: images whose label is the first model's likeliest class; None without
            labels, as all accuracies.
        dense_top5: whose label is among its five likeliest; None as well where there are no
            more than five.
        cut_top1: as `dense_top1`, of the second model.
        cut_top5: as `dense_top5`, of the second model.
        change: what became of the images that are right.
        agreeing: images whose likeliest class is the same; None without classes.
        kl: mean Kullback-Leibler divergence of the second's classes from the first's, in
            nats; None without classes.
        cosine: mean cosine of both models' pooled features; None with classes.
    """

    count: int
    classes: int
    dense_top1: Share | None = None
    dense_top5: Share | None = None
    cut_top1: Share | None = None
    cut_top5: Share | None = None
    change: Change | None = None
    agreeing: Share | None = None
    kl: float | None = None
    cosine: float | None = None


def compare(
    dense: nn.Module,
    cut: nn.Module,
    images: Images,
    *,
    world: World | None = None,
    on_images: Callable[[int], object] = lambda _: None,
) -> Comparison:
    """Show two models the same images.

    The numbers are the same however many processes share the images.

    Args:
        dense: the model to compare with, in evaluation mode.
        cut: the other, on the same device and of the same dtype.
        images: for both.
        world: the processes that share the images; by default one alone.
        on_images: called with how many images this process has seen more.

    Raises:
        EvaluationError: an answer is no number.
        ImagesError: an image cannot be read.
    """
    classes = int(getattr(dense, "num_classes", 0))
    weight = next(dense.parameters())

    def measure(batch: Batch) -> dict[str, Tensor]:
        shown = batch.images.to(weight.device, weight.dtype)
        with torch.inference_mode():
            first, second = dense(shown), cut(shown)
        for whose, answers in (("uncut", first), ("cut", second)):
            require_numbers(answers, whose, batch)
        if not classes:
            return compare_features(first, second, dense)
        return compare_logits(first, second, batch.labels)

    found = measure_images(images, measure, world=world, on_images=on_images)
    return _compared(found, classes)


def _compared(found: dict[str, Tensor], classes: int) -> Comparison:
    count = len(next(iter(found.values())))

    def share(name: str) -> Share | None:
        return Share(int(found[name].sum()), count) if name in found else None

    def mean(name: str) -> float | None:
        return math.fsum(found[name].tolist()) / count if name in found else None

    change = None
    if "dense1" in found:
        dense, cut = found["dense1"], found["cut1"]
        change = Change(int((dense & ~cut).sum()), int((cut & ~dense).sum()), count)
    few = classes <= FEW
    return Comparison(
        count=count,
        classes=classes,
        dense_top1=share("dense1"),
        dense_top5=None if few else share("dense5"),
        cut_top1=share("cut1"),
        cut_top5=None if few else share("cut5"),
        change=change,
        agreeing=share("agrees"),
        kl=mean("kl"),
        cosine=mean("cosine"),
    )
