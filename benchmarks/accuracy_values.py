"""What cuts cost, measured on canvases of training digits, without their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digits_canvases import draw_canvases, load_split
from digits_model import as_input
from rich.progress import Progress

from optimizer.fidelity.measuring import measure_damage

if TYPE_CHECKING:
    from torch import nn

    from optimizer.fidelity.damage import DamageTable

__all__ = ["measured"]

_SEED = 1000
"""Of the canvases; none of a comparison is drawn with it."""

_BATCH = 32


def measured(
    model: nn.Module, *, images: int, score: str = "cls", dropped: str = "average"
) -> DamageTable:
    """What a cut costs, by block and count.

    Args:
        model: the uncut one.
        images: how many are drawn.
        score: what chooses the tokens that stay.
        dropped: what becomes of the others.
    """
    canvases = draw_canvases(load_split(held_out=False), images, seed=_SEED).images
    batches = as_input(canvases).split(_BATCH)  # type: ignore[no-untyped-call]
    with Progress(transient=True) as progress:
        task = progress.add_task("measuring", total=len(canvases))
        return measure_damage(
            model,
            batches,
            score=score,
            dropped=dropped,
            on_images=lambda more: progress.advance(task, more),
        )
