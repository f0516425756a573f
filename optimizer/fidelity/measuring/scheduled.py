"""Measure what whole schedules cost at the output, all of their cuts at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from optimizer.fidelity.measuring.batches import images_of, require_several
from optimizer.fidelity.measuring.divergence import divergence_name, divergences
from optimizer.fidelity.measuring.tails import Tails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor, nn

    from optimizer.schedule import Schedule

__all__ = ["ScheduleDamage", "measure_schedules"]


@dataclass(frozen=True, slots=True)
class ScheduleDamage:
    """What a schedule costs at the output.

    Attributes:
        damage: the mean divergence over the images.
        error: the standard error of that mean.
        agreement: the share of the images whose first class stays; None without classes.
    """

    damage: float
    error: float
    agreement: float | None


def measure_schedules(
    model: nn.Module,
    batches: Iterable[Any],
    schedules: Sequence[Schedule],
    *,
    score: str = "pomt",
    dropped: str = "average",
    proportional: bool = False,
    on_schedule: Callable[[], None] = lambda: None,
) -> tuple[ScheduleDamage, ...]:
    """Measure what each of several schedules costs, over unlabelled images.

    Args:
        model: as in `measure_damage`, as are the batches, score, dropped and proportional.
        batches: likewise.
        schedules: for this model; one without a cut costs nothing.
        score: likewise.
        dropped: likewise.
        proportional: likewise.
        on_schedule: called once for each batch and schedule, when it is measured.

    Returns:
        One for each schedule.

    Raises:
        DamageError: there are fewer than two images, or the model gives no one answer for
            each.
        UnsupportedModelError, ScheduleError: the model cannot be cut so.
    """
    tails = Tails(model, score=score, dropped=dropped, proportional=proportional)
    name = divergence_name(model)
    found: list[list[float]] = [[] for _ in schedules]
    agreed: list[list[bool]] = [[] for _ in schedules]
    images = 0
    for given in batches:
        dense = tails.dense(images_of(given, model))
        images += len(dense.images)
        for schedule, damage, same in zip(schedules, found, agreed, strict=True):
            answers = tails.cut(dense, schedule) if schedule.cuts else dense.answers
            damage.extend(divergences(dense.answers, answers, name=name))
            same.extend(_same(dense.answers, answers))
            on_schedule()
    require_several(images)
    return tuple(
        ScheduleDamage(
            damage=fmean(damage),
            error=stdev(damage) / math.sqrt(images),
            agreement=fmean(same) if name == "kl" else None,
        )
        for damage, same in zip(found, agreed, strict=True)
    )


def _same(dense: Tensor, cut: Tensor) -> list[bool]:
    same: list[bool] = (dense.argmax(dim=1) == cut.argmax(dim=1)).tolist()
    return same
