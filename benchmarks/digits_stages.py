"""How `train_digits.py` teaches: easy canvases first, and few patches of each at first.

Stages are counted in steps from the start, and the learning rate stays level until its last
steps. So a run that was begun with another number of steps and is continued before
it decays is the same as one that knew its number from the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

RATE = 2e-3
WARMUP = 200
KEPT = 64
"""Patches of a canvas that are shown at first: a third, and nearly all that bear ink."""


class Stage(NamedTuple):
    """What a step is: how hard the canvases are, how many patches show, how fast it learns."""

    difficulty: float
    patches: int
    rate: float


class Course(NamedTuple):
    """A run's stages, in steps.

    Args:
        steps: of the whole run.
        plain: from the start, until canvases are as hard as the test's.
        decay: at the end, with all patches, while the rate falls to nothing.
        rate: the level rate.
    """

    steps: int
    plain: int
    decay: int
    rate: float = RATE

    def stage(self, step: int) -> Stage:
        """What a step is, counted from 0."""
        left = self.steps - step
        rate = self.rate * min(1.0, (step + 1) / WARMUP, left / self.decay)
        patches = 196 if left <= self.decay else KEPT
        return Stage(min(1.0, step / self.plain), patches, rate)


class ShownPatches(nn.Module):
    """In timm's place for dropped patches: drops those that were chosen beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: Tensor | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        """The class token and the shown patches, of tokens (n, 197, width)."""
        if self.shown is None or not self.training:
            return tokens
        patches = tokens[:, 1:]
        index = self.shown[..., None].expand(-1, -1, tokens.shape[-1])
        return torch.cat([tokens[:, :1], patches.gather(1, index)], dim=1)


def choose_patches(
    canvases: npt.NDArray[np.uint8], many: int, rng: np.random.Generator
) -> Tensor | None:
    """Which patches to show, (n, many): those with the most ink, by and large.

    Empty patches are what a canvas has most of, and what there is least to learn from.
    """
    sides = canvases.reshape(len(canvases), 14, 4, 14, 4)
    spread = sides.std(axis=(2, 4), dtype=np.float32).reshape(len(canvases), 196) / 255
    if many >= spread.shape[1]:
        return None
    spread += rng.uniform(0, 0.15, spread.shape).astype(np.float32)
    chosen = np.argpartition(-spread, many, axis=1)[:, :many]
    return torch.from_numpy(np.sort(chosen, axis=1))
