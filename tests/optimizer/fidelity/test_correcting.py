"""The correction: what was measured whole takes the place of what was added up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from latmodel.architectures import describe
from optimizer.budget import Budget
from optimizer.fidelity.damage import DamageTable
from optimizer.fidelity.measuring import (
    ScheduleDamage,
    correct,
    is_of,
    measure_damage,
    measure_schedules,
)
from optimizer.fidelity.measuring.correcting import _factors, _scaled, _step
from optimizer.fidelity.valuing import predicted_damage
from optimizer.optimizing import optimize
from optimizer.plan import Plan
from optimizer.schedule import Schedule
from optimizer.solution import Status
from tests.optimizer.devices import profile_of
from tests.optimizer.pruning.tiny import images, tiny

MODEL = tiny(depth=6)
EVERY = [images(12), images(12, seed=9)]
WORK = describe(MODEL)
PROFILE = profile_of(WORK, {n: 100_000 + 60_000 * n for n in range(1, 18)})
"""A straight line, so that many schedules cost about the same."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Models this small only wait for one another on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def damage() -> DamageTable:
    return measure_damage(MODEL, EVERY)


def plan_by(percent: int, seen: list[DamageTable]) -> object:
    def plan(table: DamageTable) -> Plan:
        seen.append(table)
        return optimize(WORK, profile=PROFILE, budget=Budget.parse(f"{percent}%"), damage=table)

    return plan


@pytest.mark.parametrize("percent", [75, 60, 50])
def test_the_best_that_was_measured_is_kept(damage: DamageTable, percent: int) -> None:
    found = correct(MODEL, EVERY, damage, plan_by(percent, []))  # type: ignore[arg-type]
    assert 1 <= len(found.rounds) <= 4
    schedules = [one.schedule for one in found.rounds]
    assert len(set(schedules)) == len(schedules)
    assert [one.measured for one in found.rounds] == list(
        measure_schedules(MODEL, EVERY, schedules)
    )
    best = min(found.rounds, key=lambda one: one.measured.damage)
    claim = found.plan.fidelity
    assert claim is not None
    assert found.plan.schedule == best.schedule
    assert (claim.measured, claim.error) == (best.measured.damage, best.measured.error)
    assert (claim.predicted, claim.agreement) == (best.predicted, best.measured.agreement)


@pytest.mark.parametrize(
    "tokens",
    [
        (17, 17, 11, 11, 6, 1),
        (17, 12, 12, 8, 8, 1),
        (13, 13, 9, 9, 5, 5),
        (17, 14, 10, 10, 10, 10),
    ],
)
def test_a_corrected_table_predicts_what_was_measured(
    damage: DamageTable, tokens: tuple[int, ...]
) -> None:
    """Of the schedule that it is corrected for, but for the fit's own smoothing."""
    schedule = Schedule(tokens, full=17, prefix=1)

    def measure(schedules: list[Schedule]) -> tuple[ScheduleDamage, ...]:
        return measure_schedules(MODEL, EVERY, schedules)

    factors = _factors(damage, schedule, measure)
    first = schedule.cuts[0]
    assert factors[: first + 1] == [1.0] * (first + 1)
    assert all(1 / 4 <= factor <= 4 for factor in factors)
    told = predicted_damage(_scaled(damage, factors), tokens)
    (whole,) = measure([schedule])
    alone = predicted_damage(damage, tokens)
    # The first cut is predicted by the table, which is smooth between the counts it holds.
    (only,) = measure([Schedule(only_first(tokens, first), full=17, prefix=1)])
    smoothing = abs(predicted_damage(damage, only_first(tokens, first)) - only.damage)
    assert abs(told - whole.damage) <= smoothing + 1e-6
    assert abs(told - alone) > 1e-5


def only_first(tokens: tuple[int, ...], first: int) -> tuple[int, ...]:
    """The schedule that cuts where this one does first, and nowhere else."""
    return tokens[: first + 1] + (tokens[first],) * (len(tokens) - first - 1)


@pytest.mark.parametrize(("before", "after"), [(17, None), (11, 6), (2, None)])
def test_a_block_without_a_cut_is_tried_half_way(before: int, after: int | None) -> None:
    step = _step(Schedule((before,) * 6, full=17, prefix=1), 3)
    assert (step is None) == (after is None)
    if step is not None:
        assert [one.tokens for one in step] == [(11,) * 6, (11, 11, 11, 6, 6, 6)]


def test_no_rounds_measure_alone(damage: DamageTable) -> None:
    seen: list[DamageTable] = []
    found = correct(MODEL, EVERY, damage, plan_by(60, seen), rounds=0)  # type: ignore[arg-type]
    assert seen == [damage]
    assert len(found.rounds) == 1


def test_what_adds_up_is_not_corrected(damage: DamageTable) -> None:
    """A single cut is what the table holds."""
    full, prefix = WORK.tokens, WORK.prefix
    seen: list[DamageTable] = []

    def plan(table: DamageTable) -> Plan:
        seen.append(table)
        return optimize(
            WORK, profile=PROFILE, budget=Budget.parse("70%"), damage=table, max_cuts=1
        )

    found = correct(MODEL, EVERY, damage, plan)
    assert len(seen) == len(found.rounds) == 1
    assert found.rounds[0].predicted == pytest.approx(found.rounds[0].measured.damage, rel=0.1)
    assert (found.plan.schedule.full, found.plan.schedule.prefix) == (full, prefix)


def test_over_the_budget_nothing_is_measured(damage: DamageTable) -> None:
    found = correct(MODEL, EVERY, damage, plan_by(3, []))  # type: ignore[arg-type]
    assert found.plan.status is Status.INFEASIBLE
    assert found.rounds == ()
    assert found.plan.fidelity is not None
    assert found.plan.fidelity.measured is None


def test_a_table_is_of_its_weights_and_images(damage: DamageTable) -> None:
    assert is_of(damage, MODEL, EVERY)
    assert is_of(damage, MODEL, EVERY[::-1])
    assert not is_of(damage, MODEL, EVERY[:1])
    assert not is_of(damage, tiny(depth=6, seed=4), EVERY)
    assert not is_of(replace(damage, weights="0" * 64), MODEL, EVERY)
