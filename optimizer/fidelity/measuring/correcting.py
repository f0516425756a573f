"""Where the damage of several cuts does not add up: measure the schedule, correct, ask again.

A damage table holds each cut alone. Behind another cut the same one may cost more or less: its
scores are others, and what it drops may be gone already. So each round measures what every
block adds behind the cuts that the schedule makes before it, and multiplies that block's row by
what this is of its prediction. With these factors the schedule's prediction is what was
measured, and a solve may find a better one. The best that was measured is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.fidelity.fitting import fit_damage
from optimizer.fidelity.measuring.scheduled import ScheduleDamage, measure_schedules
from optimizer.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

    from optimizer.fidelity.damage import DamageTable
    from optimizer.images.loading import Images
    from optimizer.images.spreading import World
    from optimizer.plan import Plan

__all__ = ["Corrected", "Round", "correct"]

ROUNDS = 3
"""Corrections at most; each costs a few passes over the images."""

_NEAR = 0.1
"""Predicted and measured damage are near where they differ by no more than this share, or by
two standard errors: then nothing is corrected."""

_MOST = 4.0
"""A factor is at most this, and at least one over it: beyond, it is mostly noise."""


@dataclass(frozen=True, slots=True)
class Round:
    """A schedule that was solved for, and what came of it.

    Attributes:
        schedule: token counts per block.
        predicted: its damage, by the table as corrected before.
        measured: its damage, all cuts at once.
    """

    schedule: Schedule
    predicted: float
    measured: ScheduleDamage


@dataclass(frozen=True, slots=True)
class Corrected:
    """The best plan that was measured, and all that were.

    Attributes:
        plan: its claim holds both predicted and measured damage.
        rounds: in their order; the first is by the table as it was measured.
    """

    plan: Plan
    rounds: tuple[Round, ...]


def correct(
    model: nn.Module,
    images: Images | Iterable[Any],
    damage: DamageTable,
    plan_by: Callable[[DamageTable], Plan],
    *,
    rounds: int = ROUNDS,
    world: World | None = None,
    on_schedule: Callable[[], None] = lambda: None,
) -> Corrected:
    """Measure the schedule that a damage table leads to; where it differs, correct and repeat.

    Args:
        model: as in `measure_damage`.
        images: likewise; gone through several times.
        damage: measured for this model and way of cutting.
        plan_by: solves with a table, such as `optimizer.optimize` with `damage=`.
        rounds: corrections at most; 0 to measure alone.
        world: as in `measure_damage`.
        on_schedule: called whenever a schedule has been measured on a batch.

    Returns:
        The plan whose schedule did least damage; of equal ones the first. A plan over its
        budget is neither measured nor corrected.

    Raises:
        DamageError: as `measure_damage`.
    """

    def measure(schedules: list[Schedule]) -> tuple[ScheduleDamage, ...]:
        return measure_schedules(
            model, images, schedules, score=damage.score, dropped=damage.dropped,
            proportional=damage.proportional, world=world, on_schedule=on_schedule,
        )  # fmt: skip

    table = damage
    done: list[Round] = []
    plans: list[Plan] = []
    for left in range(rounds, -1, -1):
        plan = plan_by(table)
        if plan.status.over_budget or any(plan.schedule == r.schedule for r in done):
            break
        (measured,) = measure([plan.schedule])
        predicted = 0.0 if plan.fidelity is None else plan.fidelity.predicted
        done.append(Round(plan.schedule, predicted, measured))
        plans.append(_claiming(plan, measured))
        if not left or _near(predicted, measured):
            break
        table = _scaled(table, _factors(table, plan.schedule, measure))
    if not done:
        return Corrected(plan, ())
    best = min(range(len(done)), key=lambda k: done[k].measured.damage)
    return Corrected(plans[best], tuple(done))


def _near(predicted: float, measured: ScheduleDamage) -> bool:
    apart = abs(predicted - measured.damage)
    return apart <= max(2 * measured.error, _NEAR * measured.damage)


def _claiming(plan: Plan, measured: ScheduleDamage) -> Plan:
    assert plan.fidelity is not None  # noqa: S101 (made by a damage table)
    claim = replace(
        plan.fidelity,
        measured=measured.damage,
        error=measured.error,
        agreement=measured.agreement,
    )
    return replace(plan, fidelity=claim)


def _factors(
    table: DamageTable,
    schedule: Schedule,
    measure: Callable[[list[Schedule]], tuple[ScheduleDamage, ...]],
) -> list[float]:
    """For each block, what it adds behind the schedule's cuts, of what the table predicts."""
    # Up to each block the schedule, and from there on nothing more; then that block as well.
    steps = [_step(schedule, block) for block in range(schedule.depth)]
    asked = dict.fromkeys(one for step in steps if step is not None for one in step)
    found = dict(zip(asked, measure(list(asked)), strict=True))
    factors = []
    for block, step in enumerate(steps):
        if step is None:
            factors.append(1.0)
            continue
        before, after = step
        added = found[after].damage - found[before].damage
        told = _told(table, block, before.tokens[block], after.tokens[block])
        factor = added / told if told > 0 else 1.0
        factors.append(float(np.clip(factor, 1 / _MOST, _MOST)))
    return factors


def _step(schedule: Schedule, block: int) -> tuple[Schedule, Schedule] | None:
    """The schedule up to a block, without and with that block's cut.

    Where it cuts nothing there, a cut half way to the prefix is tried; None where nothing
    before it cuts, since then the table holds just that, or where nothing is left to cut.
    """
    full, prefix, tokens = schedule.full, schedule.prefix, schedule.tokens
    before = schedule.before[block]
    after = tokens[block]
    if after == before:
        after = prefix + max(1, (before - prefix) // 2)
    if before == full or after >= before or after == prefix:
        return None
    behind = schedule.depth - block

    def to(count: int) -> Schedule:
        return Schedule((*tokens[:block], *(count,) * behind), full=full, prefix=prefix)

    return to(before), to(after)


def _told(table: DamageTable, block: int, before: int, after: int) -> float:
    high, low = fit_damage(table, np.array([after, before]))[block]
    return float(high - low)


def _scaled(table: DamageTable, factors: list[float]) -> DamageTable:
    return replace(
        table,
        blocks=tuple(
            replace(
                block,
                damage=tuple(factor * each for each in block.damage),
                errors=tuple(factor * each for each in block.errors),
            )
            for block, factor in zip(table.blocks, factors, strict=True)
        ),
    )
