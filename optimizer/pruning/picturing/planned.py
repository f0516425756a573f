"""From a plan to a picture: build its model, give it weights, cut it, show it an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.pruning.picturing.photographs import made_up_photograph, read_photograph
from optimizer.pruning.picturing.plotting import picture_kept
from optimizer.pruning.picturing.weights import load_weights
from optimizer.pruning.planned import apply_plan
from optimizer.pruning.weighted import pretrained_model, random_model, require_one_source

if TYPE_CHECKING:
    from optimizer.plan import Plan
    from optimizer.pruning.picturing.panels import KeptPicture

__all__ = ["PlannedPicture", "picture_plan"]

_FATES = {"drop": "dropped", "average": "averaged", "merge": "merged"}


@dataclass(frozen=True, slots=True, eq=False)
class PlannedPicture:
    """A picture of a plan, and what to know of it.

    Attributes:
        picture: to be drawn.
        image: what was looked at, in words.
        weights: what chose, in words.
        remarks: what was not as it might be expected, a sentence each.
    """

    picture: KeptPicture
    image: str
    weights: str
    remarks: tuple[str, ...]


def picture_plan(
    plan: Plan,
    *,
    image: Path | None = None,
    checkpoint: Path | None = None,
    pretrained: bool = False,
) -> PlannedPicture:
    """Picture what a plan's model keeps of one image.

    It runs in fp32 on the CPU, whatever the plan is for.

    Args:
        plan: whose model and schedule.
        image: a file; by default a landscape that is made here.
        checkpoint: weights for the model; see `load_weights`.
        pretrained: take timm's own weights, downloaded once. By default they are random,
            the same each time, and then the patches kept mean nothing.

    Raises:
        WeightsError: both kinds of weights are asked for, or one cannot be had.
        PictureError: the image cannot be read or shown.
        UnsupportedModelError, ScheduleError: the model cannot be cut as planned.
    """
    require_one_source(checkpoint, pretrained=pretrained)
    photograph = made_up_photograph() if image is None else read_photograph(image)
    remarks = [] if image is not None else ["no image was given: a made-up landscape is shown"]
    model = pretrained_model(plan.model) if pretrained else random_model(plan.model)
    if checkpoint is not None:
        left = load_weights(model, checkpoint)
        if left:
            remarks.append(
                f"the classifier in {checkpoint} does not fit and was left out "
                f"({', '.join(left)}): the patches kept do not depend on it"
            )
    elif not pretrained and plan.score != "random":
        remarks.append(
            "warning: the weights are random, so the patches kept mean nothing: give a "
            "checkpoint or take the pretrained weights"
        )
    shown = "made-up landscape" if image is None else image.name
    weights = "timm's pretrained weights" if pretrained else "random weights"
    weights = weights if checkpoint is None else f"weights of {checkpoint.name}"
    apply_plan(model, plan)
    last = f"; block {plan.schedule.depth - 1}, whose cut loses nothing, is not shown"
    picture = picture_kept(
        model,
        photograph,
        title=f"{plan.model}: patches that remain after each cut",
        subtitle=f"{shown}; {weights}; score {plan.score}; "
        f"pale patches are {_FATES[plan.dropped]}{last if plan.schedule.lossless_last else ''}",
    )
    return PlannedPicture(picture, shown, weights, tuple(remarks))
