"""Images about which a cut model decides by more than rounding.

Where two patches score alike but for the last bits, another runtime may keep the other one:
both are right, and their answers differ. A comparison of answers says something only about
images for which no such choice hangs on rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from optimizer.errors import ExportError
from optimizer.pruning.state import is_applied
from optimizer.pruning.tracing import choices

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["NOISE", "SteadyImages", "steady_images"]

NOISE = 1e-5
"""Change of each pixel, as a fraction of it: 80 times the rounding of float32, and ten times
what the activations of a deep model gather of it."""

_COPIES = 8
"""Changed copies of an image, all of which must lead to the same decisions."""

_TIE = 2e-6
"""Scores no further apart, as a fraction of themselves, count as equal: 16 times the rounding
of float32, since a score may be a sum in which what images change is the smallest part."""

_TRIES = 64
"""Images tried for each that is wanted, at most."""


@dataclass(frozen=True, slots=True)
class SteadyImages:
    """Random images that pass, and how many were drawn to find them.

    Attributes:
        images: (batch, channels, height, width), float32, on the CPU.
        tried: images drawn.
    """

    images: Tensor
    tried: int


def steady_images(model: nn.Module, shape: tuple[int, int, int, int]) -> SteadyImages:
    """Draw random images until enough are steady, each by a seed of its own, from 0 on.

    An image is steady if no cut parts patches of equal scores, and every cut keeps the same
    patches, and merges the others into the same ones, when each pixel changes at random by
    about `NOISE` of itself. Images are
    judged one by one, since none changes what a cut decides about another.

    Args:
        model: float32, on the CPU; every image is steady for one that cuts nothing.
        shape: (batch, channels, height, width).

    Raises:
        ExportError: too few images are steady.
    """
    batch, *rest = shape
    found: list[Tensor] = []
    most = _TRIES * batch
    for seed in range(most):
        generator = torch.Generator().manual_seed(seed)
        image = torch.randn(rest, generator=generator, device="cpu")
        if not is_applied(model) or _steady(model, image, generator):
            found.append(image)
        if len(found) == batch:
            return SteadyImages(torch.stack(found), seed + 1)
    raise ExportError(
        f"of {most} random images, {len(found)} lead to the same kept tokens when their pixels "
        f"change by {NOISE:g} of themselves, and {batch} must, to compare answers: rounding "
        "chooses the tokens of this model; give it trained weights, or choose another score"
    )


def _steady(model: nn.Module, image: Tensor, generator: torch.Generator) -> bool:
    noise = torch.randn(_COPIES, *image.shape, generator=generator, device="cpu")
    changed = torch.cat([image.unsqueeze(0), image * (1 + NOISE * noise)])
    for decision, gap in choices(model, changed).values():
        # Equal scores stay equal: which is kept is then up to how a runtime adds and sorts.
        if gap is not None and not bool((gap > _TIE).all()):
            return False
        for rows in (decision.kept, decision.target):
            if rows is not None and not bool((rows == rows[:1]).all()):
                return False
    return True
