"""Which patches survive: the positions that remain after each block's cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from optimizer.pruning.blocks.cutting import Cutting, Decisions
from optimizer.pruning.state import applied
from optimizer.pruning.twinning import twin

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["trace"]


def trace(model: nn.Module, images: Any) -> tuple[Tensor, ...]:
    """The original patch positions that remain after each block's cut.

    Runs the model once, as it stands (its training flags are not changed), on a twin that
    shares its weights: the model is not touched, and threads may trace it at once.

    Args:
        model: carries a schedule.
        images: what the model takes: (batch, channels, height, width), or a dict of patches
            (batch, patches, ...) for the models that take one; their positions are then
            those in the dict.

    Returns:
        Shape (depth,); entry ``i`` is int64 of shape (batch, kept patches), rising in each
        row: positions in the patch grid, row by row. Prefix and averaged token are left
        out, so an entry may have no column, as that of a lossless last cut has none.

    Raises:
        ScheduleError: the model carries no schedule, or the images give another number of
            tokens than it is for.
    """
    schedule = applied(model).schedule
    kept: dict[int, Tensor] = {}
    watched = twin(model)
    for part in watched.modules():
        if isinstance(part, Cutting):
            _watch(part, kept)
    with torch.no_grad():
        watched(images)
    given: Tensor = images["patches"] if isinstance(images, dict) else images
    patches = torch.arange(schedule.full - schedule.prefix, device=given.device)
    positions = patches.expand(given.shape[0], -1)
    after: list[Tensor] = []
    for block in range(schedule.depth):
        if block in kept:
            positions = positions.gather(1, kept[block])
        after.append(positions)
    return tuple(after)


def _watch(block: Any, kept: dict[int, Tensor]) -> None:
    """Write down what a block of the twin keeps; the twin is thrown away afterwards."""

    def forward(x: Tensor, *sides: Any, decided: Decisions, **options: Any) -> Tensor:
        answer = type(block).forward(block, x, *sides, decided=decided, **options)
        if decided:
            kept[block.pruning_cut.block] = decided[0].kept
        return answer  # type: ignore[no-any-return]

    block.forward = forward
