"""What a cut model remembers: the value that `undo`, `trace` and a verifier look for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.errors import ScheduleError

if TYPE_CHECKING:
    from torch import nn

    from optimizer.pruning.cut import Score
    from optimizer.schedule import Schedule

__all__ = ["ATTRIBUTE", "Applied", "applied", "is_applied"]

# The one attribute that `apply` adds to a model.
ATTRIBUTE = "pruning"


@dataclass(frozen=True, slots=True)
class Applied:
    """What was applied to a model.

    It holds no module, so a copied or saved model carries it along unchanged.

    Attributes:
        schedule: the exact counts.
        score: as given to `apply`: a name or a function.
        dropped: one of `optimizer.plan.DROPPED`.
        proportional: whether attention counts a token as often as it stands for patches.
    """

    schedule: Schedule
    score: str | Score
    dropped: str
    proportional: bool = False


def is_applied(model: nn.Module) -> bool:
    """Whether the model carries a schedule."""
    return _read(model) is not None


def applied(model: nn.Module) -> Applied:
    """The schedule, score and way of dropping that the model carries.

    Raises:
        ScheduleError: it carries none.
    """
    state = _read(model)
    if state is None:
        raise ScheduleError(
            f"this {type(model).__name__} carries no schedule: apply(model, schedule) first"
        )
    return state


def _read(model: nn.Module) -> Applied | None:
    # Not getattr: a wrapper such as torch.compile's passes that on to the model within.
    state = vars(model).get(ATTRIBUTE)
    return state if isinstance(state, Applied) else None
