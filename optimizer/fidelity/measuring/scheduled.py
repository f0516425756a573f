"""Measure what whole schedules cost at the output, all of their cuts at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from optimizer.fidelity.measuring.batches import images_for, require_several
from optimizer.fidelity.measuring.divergence import divergence_name, divergences
from optimizer.fidelity.measuring.tails import Tails
from optimizer.images.spreading import World, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor, nn

    from optimizer.images.loading import Images
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
    images: Images | Iterable[Any],
    schedules: Sequence[Schedule],
    *,
    score: str = "pomt",
    dropped: str = "average",
    proportional: bool = False,
    world: World | None = None,
    on_schedule: Callable[[], None] = lambda: None,
) -> tuple[ScheduleDamage, ...]:
    """Measure what each of several schedules costs, over unlabelled images.

    Args:
        model: as in `measure_damage`, as are the images and all but the schedules.
        images: likewise.
        schedules: for this model; one without a cut costs nothing.
        score: likewise.
        dropped: likewise.
        proportional: likewise.
        world: likewise.
        on_schedule: called once for each batch of this process and each schedule.

    Returns:
        One for each schedule.

    Raises:
        DamageError: there are fewer than two images, or the model gives no one answer for
            each.
        UnsupportedModelError, ScheduleError: the model cannot be cut so.
    """
    tails = Tails(model, score=score, dropped=dropped, proportional=proportional)
    name = divergence_name(model)
    place = world or World()

    def work() -> list[tuple[list[float], list[bool]]]:
        found: list[tuple[list[float], list[bool]]] = [([], []) for _ in schedules]
        for batch in images_for(model, images, place):
            dense = tails.dense(batch)
            for schedule, (damage, same) in zip(schedules, found, strict=True):
                answers = tails.cut(dense, schedule) if schedule.cuts else dense.answers
                damage.extend(divergences(dense.answers, answers, name=name))
                same.extend(_same(dense.answers, answers))
                on_schedule()
        return found

    parts = share(place, work)
    return tuple(
        _measured(
            [one for part in parts for one in part[number][0]],
            [one for part in parts for one in part[number][1]],
            classes=name == "kl",
        )
        for number in range(len(schedules))
    )


def _measured(damage: list[float], same: list[bool], *, classes: bool) -> ScheduleDamage:
    require_several(len(damage))
    return ScheduleDamage(
        damage=fmean(damage),
        error=stdev(damage) / math.sqrt(len(damage)),
        agreement=fmean(same) if classes else None,
    )


def _same(dense: Tensor, cut: Tensor) -> list[bool]:
    same: list[bool] = (dense.argmax(dim=1) == cut.argmax(dim=1)).tolist()
    return same
