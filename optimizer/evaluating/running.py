"""Evaluate a plan: cut its model, show both the images, and time both."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from latmodel.runtimes.devices import TORCH_DTYPES, find_device
from optimizer.evaluating.comparing import compare
from optimizer.evaluating.evaluation import RANDOM, Evaluation
from optimizer.images.loading import Images, load_images
from optimizer.images.spreading import World, find_world, share
from optimizer.pruning.planned import apply_plan
from optimizer.pruning.twinning import twin
from optimizer.pruning.weighted import Weighted
from optimizer.verifying import verify

if TYPE_CHECKING:
    from torch import nn

    from optimizer.plan import Plan

__all__ = ["evaluate"]


def _nothing(*_: object) -> None:
    """Who need not be told."""


def evaluate(
    model: nn.Module | Weighted,
    plan: Plan,
    images: Images | Any,
    *,
    world: World | None = None,
    device: str | None = None,
    rounds: int = 30,
    on_images: Callable[[int], object] = _nothing,
    on_round: Callable[[], object] = _nothing,
) -> Evaluation:
    """Accuracy, agreement and latency of a plan's model before and after the cut.

    Both run in the plan's dtype. Processes that `torchrun` started share the images, and
    the numbers are those that one alone would find, as long as each computes with as many
    threads; then the first times both models, while the others wait.

    Args:
        model: the uncut model, left as it is; or one with word of its weights, from
            `optimizer.pruning.weighted.weighted_model`.
        plan: for this model.
        images: from `load_images`, or what that takes. Without labels, and for a model
            without classes, only agreement is measured.
        world: the processes that share the images, all of which must call; by default those
            of `torchrun`, or one alone.
        device: "cpu" or "cuda"; by default CUDA where there is one, to each process its own.
        rounds: pairs of calls that are timed, 2 or more, on the plan's batch.
        on_images: called with how many images this process has seen more, for a progress bar.
        on_round: called after each round of timing.

    Raises:
        ImagesError: there are no images, or one cannot be read or used.
        EvaluationError: an answer is no number.
        UnsupportedModelError, ScheduleError: the model cannot be cut as planned.
        MeasurementError, VerificationError: as `verify`.
    """
    given = (
        model
        if isinstance(model, Weighted)
        else Weighted(model, "the caller's weights", random=False)
    )
    together = world or find_world()
    shown = images if isinstance(images, Images) else load_images(images, given.model)
    place = _place(device, together)
    # A copy with weights of its own, since `to` would change the caller's.
    dense = copy.deepcopy(given.model).to(place, TORCH_DTYPES[plan.dtype]).eval()
    cut = apply_plan(twin(dense), plan)
    comparison = compare(dense, cut, shown, world=together, on_images=on_images)
    del dense, cut

    def time() -> Any:
        if not together.first:
            return None
        return verify(
            plan, model=given.model, device=str(place), rounds=rounds, on_round=on_round
        )

    return Evaluation(
        images=shown.name,
        weights=given.origin,
        random=given.random,
        dtype=plan.dtype,
        comparison=comparison,
        timing=share(together, time)[0],
        threads=torch.get_num_threads() if place.type == "cpu" else None,
        warnings=(*((RANDOM,) if given.random else ()), *shown.remarks),
    )


def _place(device: str | None, world: World) -> torch.device:
    """The device of that name; of several GPUs each process its own."""
    place = find_device(device)
    if place.type == "cuda" and place.index is None and world.size > 1:
        place = find_device(f"cuda:{world.local_rank}")
    return place
