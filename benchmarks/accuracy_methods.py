"""The methods that are compared: how each cuts a model, and which schedules it can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from evit_style import EvitStyle
from pruning_rivals import TomeStyle

from optimizer.baselines.shapes import CONSTANT_DROP, EQUAL_RATIOS, FIXED_RATIOS, ONE_CUT, Shape
from optimizer.pruning import apply
from optimizer.pruning.twinning import twin

if TYPE_CHECKING:
    from torch import nn

    from optimizer.schedule import Schedule

__all__ = ["CUTTERS", "OURS", "RIVALS", "Setting"]


def _ours(score: str, dropped: str) -> Callable[[nn.Module, Schedule], nn.Module]:
    return lambda model, schedule: apply(twin(model), schedule, score=score, dropped=dropped)


CUTTERS: dict[str, Callable[[nn.Module, Schedule], nn.Module]] = {
    "cls, averaged": _ours("cls", "average"),
    "pomt, averaged": _ours("pomt", "average"),
    "cls, dropped": _ours("cls", "drop"),
    "random, averaged": _ours("random", "average"),
    "EViT-style": EvitStyle,
    "ToMe-style": TomeStyle,
}
"""How a model is cut. Where a method's own patch would do the same work more slowly, ours
does it, so that every rival is as fast as it can be."""

RIVALS: dict[str, tuple[Shape, str]] = {
    "POMT": (ONE_CUT, "pomt, averaged"),
    "EViT": (EQUAL_RATIOS, "EViT-style"),
    "DynamicViT": (FIXED_RATIOS, "cls, dropped"),
    "ToMe": (CONSTANT_DROP, "ToMe-style"),
    "random": (ONE_CUT, "random, averaged"),
}
"""By name: the schedules that a method can have, and how it cuts. DynamicViT's own scores are
trained; here it has the class row's."""

OURS = ("fidelity", "kept tokens")
"""Schedules of least measured damage, and of most tokens."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A model that is cut in one way.

    Attributes:
        cutter: one of `CUTTERS`.
        schedule: its counts.
    """

    cutter: str
    schedule: Schedule

    @property
    def key(self) -> str:
        """What identifies it in a file of results."""
        return f"{self.cutter}: {' '.join(map(str, self.schedule.tokens))}"

    def build(self, model: nn.Module) -> nn.Module:
        """The cut model; it shares the weights of `model`, which stays as it is."""
        if not self.schedule.cuts and not self.schedule.lossless_last:
            return model
        with torch.no_grad():
            return CUTTERS[self.cutter](model, self.schedule).eval()
