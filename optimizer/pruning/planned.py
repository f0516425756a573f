"""Cut a model as a plan says, with everything that the plan records."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from optimizer.pruning.patching import apply

if TYPE_CHECKING:
    from torch import nn

    from optimizer.plan import Plan

__all__ = ["apply_plan"]

_Model = TypeVar("_Model", bound="nn.Module")


def apply_plan(model: _Model, plan: Plan) -> _Model:
    """Apply a plan's schedule, score and way of dropping; see `apply`.

    Returns:
        The same model.

    Raises:
        UnsupportedModelError, ScheduleError: as `apply`.
    """
    return apply(
        model,
        plan.schedule,
        score=plan.score,
        dropped=plan.dropped,
        proportional=plan.proportional,
    )
