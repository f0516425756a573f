"""An uncut model, and the same cut anywhere: run only from its first cut on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from optimizer.errors import DamageError
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.cut import plan_cuts
from optimizer.pruning.patching import apply
from optimizer.pruning.state import is_applied
from optimizer.pruning.trunks.registry import trunk_of
from optimizer.pruning.twinning import twin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor, nn

    from optimizer.pruning.cut import Cut
    from optimizer.pruning.trunks.beside import Beside
    from optimizer.pruning.trunks.walking import Walk
    from optimizer.schedule import Schedule

__all__ = ["Dense", "Tails"]


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """One pass of the uncut model, kept so that no part of it is run again.

    Attributes:
        images: what it was shown.
        entries: shape (depth,): the tokens that enter each block, (batch, tokens, dim).
        answers: what it answered, (batch, classes) or (batch, features).
    """

    images: Tensor
    entries: tuple[Tensor, ...]
    answers: Tensor


class Tails:
    """Runs a model as if it were cut; it is not touched, and threads may use it meanwhile.

    Blocks before the first cut are timm's own and run as in the uncut model, so their
    result is taken from there; from that block on runs what `optimizer.pruning.apply` makes.

    Args:
        model: carries no schedule.
        score: as in `apply`, as are the others.
        dropped: likewise.
        proportional: likewise.

    Raises:
        DamageError: the model carries a schedule.
    """

    def __init__(
        self, model: nn.Module, *, score: str, dropped: str, proportional: bool = False
    ) -> None:
        if is_applied(model):
            raise DamageError(
                "the model carries a schedule, and damage is measured from the uncut one: "
                "undo(model) first"
            )
        self._model = model
        self._how: dict[str, Any] = {
            "score": score,
            "dropped": dropped,
            "proportional": proportional,
        }
        self._cut: dict[tuple[tuple[int, ...], bool], nn.Module] = {}

    def dense(self, images: Tensor) -> Dense:
        """Run the uncut model.

        Args:
            images: (batch, channels, height, width).

        Raises:
            DamageError: it answers more than one row of numbers for each image.
        """
        entries: list[Tensor] = []
        watched = twin(self._model).eval()
        for block in trunk_of(watched).blocks:
            _record(block, entries)
        with torch.no_grad():
            answers = watched(images)
        if not isinstance(answers, torch.Tensor) or answers.ndim != 2:
            found = tuple(answers.shape) if isinstance(answers, torch.Tensor) else "no tensor"
            raise DamageError(
                f"the model answers {found}: allowed is one row for each image, of classes or "
                "of pooled features; give it a head that pools"
            )
        return Dense(images, tuple(entries), answers)

    def cut(self, dense: Dense, schedule: Schedule) -> Tensor:
        """What the model answers when it is cut to a schedule.

        Args:
            dense: its uncut pass over the images.
            schedule: that cuts somewhere.

        Returns:
            As `Dense.answers`.
        """
        model = self._cut_to(schedule)
        first = schedule.cuts[0]
        trunk = trunk_of(model)
        kind = type(trunk)

        def steps(_x: Tensor, beside: Beside, **options: Any) -> Iterator[Walk]:
            found: Iterable[Walk] = kind.steps(
                trunk, dense.entries[first], beside, start=first, **options
            )
            yield from found

        trunk.steps = steps
        try:
            with torch.no_grad():
                answers: Tensor = model(dense.images)
        finally:
            del trunk.steps
        return answers

    def _cut_to(self, schedule: Schedule) -> nn.Module:
        """A twin cut to the schedule; those that cut the same blocks share one.

        `apply` proves each block's arithmetic anew, which takes longer than a short tail.
        """
        key = (schedule.cuts, schedule.lossless_last)
        found = self._cut.get(key)
        if found is None:
            found = apply(_apart(self._model), schedule, **self._how)
            self._cut[key] = found
        for block, cut in _cutting(found, schedule, **self._how):
            block.pruning_cut = cut
        return found


def _apart(model: nn.Module) -> nn.Module:
    """A twin in evaluation mode that may get buffers of its own: a score's fixed order."""
    found = twin(model).eval()
    for part in found.modules():
        for name in ("_buffers", "_non_persistent_buffers_set"):
            vars(part)[name] = vars(part)[name].copy()
    return found


def _cutting(
    model: nn.Module, schedule: Schedule, *, score: str, **how: Any
) -> list[tuple[Cutting, Cut]]:
    """The blocks that `apply` changed, and what each does under another schedule."""
    blocks = [part for part in model.modules() if isinstance(part, Cutting)]
    # The score as the model understood it, which depends on its tokens.
    (resolved,) = {str(block.pruning_cut.score) for block in blocks}
    assert resolved in (score, "pooled")  # noqa: S101 (see `optimizer.pruning.patching`)
    cuts = plan_cuts(schedule, score=resolved, **how)
    return [(block, cuts[block.pruning_cut.block]) for block in blocks]


def _record(block: Any, entries: list[Tensor]) -> None:
    """Write down what enters a block of the twin, which is thrown away afterwards."""
    kind = type(block)

    def forward(x: Tensor, *sides: Any, **options: Any) -> Any:
        entries.append(x)
        return kind.forward(block, x, *sides, **options)

    block.forward = forward
