"""Which patches survive: the positions that remain after each block's cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from optimizer.pruning.blocks.cutting import Cutting, Decisions
from optimizer.pruning.state import applied
from optimizer.pruning.twinning import twin

if TYPE_CHECKING:
    from torch import Tensor, nn

    from optimizer.pruning.attended import Attended
    from optimizer.pruning.trail import Decision

__all__ = ["Choice", "choices", "trace"]


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
    kept = {block: choice.decision.kept for block, choice in choices(model, images).items()}
    given: Tensor = images["patches"] if isinstance(images, dict) else images
    patches = torch.arange(schedule.full - schedule.prefix, device=given.device)
    positions = patches.expand(given.shape[0], -1)
    after: list[Tensor] = []
    for block in range(schedule.depth):
        if block in kept:
            positions = positions.gather(1, kept[block])
        after.append(positions)
    return tuple(after)


_NOTHING = 1e-30
"""A score below this fraction of the largest is next to nothing."""


class Choice(NamedTuple):
    """One cut's decision, and what it rests on.

    Attributes:
        decision: for each image of the batch.
        gap: by how much the lowest score kept is above the highest not kept, as a fraction
            of itself, (batch,); 0 where it is next to nothing beside the largest, since some
            runtimes take such numbers for 0; None where nothing is scored.
    """

    decision: Decision
    gap: Tensor | None


def choices(model: nn.Module, images: Any) -> dict[int, Choice]:
    """What each cut decides about these images, by block; see `trace`."""
    decided: dict[int, Decision] = {}
    gaps: dict[int, Tensor] = {}
    watched = twin(model)
    for part in watched.modules():
        if isinstance(part, Cutting):
            _watch(part, decided, gaps)
    with torch.no_grad():
        watched(images)
    return {block: Choice(decided[block], gaps.get(block)) for block in decided}


def _watch(block: Any, decided: dict[int, Decision], gaps: dict[int, Tensor]) -> None:
    """Write down what a block of the twin decides; the twin is thrown away afterwards."""
    kind, cut = type(block), block.pruning_cut

    def forward(x: Tensor, *sides: Any, decided: Decisions, **options: Any) -> Tensor:
        answer: Tensor = kind.forward(block, x, *sides, decided=decided, **options)
        if decided:
            found[cut.block] = decided[0]
        return answer

    def scores(seen: Attended) -> Tensor:
        every: Tensor = kind.scores(block, seen)
        gaps[cut.block] = _gap(every[:, cut.prefix : cut.prefix + cut.patches], cut.kept)
        return every

    found = decided
    block.forward, block.scores = forward, scores


def _gap(scores: Tensor, kept: int) -> Tensor:
    """See `Choice`; infinite where none or all are kept."""
    falling = scores.sort(dim=1, descending=True).values
    if not 0 < kept < falling.shape[1]:
        return torch.full_like(falling[:, 0], torch.inf)
    last, next_one = falling[:, kept - 1], falling[:, kept]
    nothing = last.abs() <= _NOTHING * scores.abs().amax(dim=1)
    return ((last - next_one) / last.abs()).masked_fill(nothing, 0.0)
