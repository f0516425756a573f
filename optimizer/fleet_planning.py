"""Plan for several devices: one schedule that meets every budget, and each one's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latmodel.catalogue import read_profile
from latmodel.profile import DeviceProfile
from optimizer.budget import Budget
from optimizer.errors import ProblemError
from optimizer.fleet import PROOF_S, FleetSolution, solve_fleet
from optimizer.fleet_plan import FleetDevice, FleetPlan, FleetSchedule
from optimizer.optimizing import provenance_of, workload_of
from optimizer.posing import Posed, pose_endings, solve_better
from optimizer.solution import Status
from optimizer.solvers.pareto import pareto

if TYPE_CHECKING:
    from torch import nn

    from latmodel.table import LatencyTable
    from latmodel.workload import Workload
    from optimizer.schedule import Schedule

__all__ = ["plan_fleet"]


def plan_fleet(
    model: nn.Module | str | Workload,
    *,
    profiles: Sequence[DeviceProfile | str | Path],
    budget: Budget,
    batch: int = 1,
    dtype: str | None = None,
    mode: str | None = None,
    per_device: bool = False,
    lossless_last: bool | None = None,
    time_limit_s: float | None = None,
    **constraints: Any,
) -> FleetPlan:
    """Choose one schedule that meets the budget on every device, and keeps most.

    Args:
        model: as in `optimizer.optimize`.
        profiles: two or more device profiles, their paths, or names of shipped ones.
        budget: of every device; a share is of its own unpruned latency.
        batch: images per call.
        dtype: as in `optimizer.optimize`; None takes each profile's own.
        mode: likewise.
        per_device: also choose the best schedule of each device, and tell what every
            schedule costs on every device.
        lossless_last: as in `optimizer.optimize`.
        time_limit_s: seconds that the proof may take; None for `optimizer.fleet.PROOF_S`.
        constraints: the others of `optimizer.optimize`, by their names.

    Returns:
        A plan; where no schedule meets every budget its status says so, and the schedule is
        the least over the worst of them that was found.

    Raises:
        ProblemError: fewer than two profiles, or a constraint is out of range.
        SolverError: time was up before a schedule was found or excluded.
        LatmodelError: the model or a profile is unknown, unreadable or does not fit.

    >>> found = plan_fleet("vit_base_patch16_224", profiles=("t4", "v100"), batch=8,
    ...                    budget=Budget.parse("90%"))
    >>> found.shared.status.value, found.within(found.shared)
    ('proved optimal', (True, True))
    """
    if len(profiles) < 2:
        raise ProblemError(f"{len(profiles)} profile: a fleet has two or more")
    known = [p if isinstance(p, DeviceProfile) else read_profile(p) for p in profiles]
    workloads = [workload_of(model, batch, dtype or each.default_dtype) for each in known]
    tables = [d.table(w, mode=mode) for d, w in zip(known, workloads, strict=True)]
    tables, warnings = _in_common(tables)
    budgets = [budget.within(table.dense_ns) for table in tables]
    posed = [
        pose_endings(t, w, budget_ns=b, lossless_last=lossless_last, **constraints)
        for t, w, b in zip(tables, workloads, budgets, strict=True)
    ]
    if lossless_last is None and all(
        table.dense_ns <= limit for table, limit in zip(tables, budgets, strict=True)
    ):
        posed = [each[-1:] for each in posed]  # as it is, to the last bit
    schedules = [_for_all(posed, tables, PROOF_S if time_limit_s is None else time_limit_s)]
    if per_device:
        named = zip(known, posed, strict=True)
        schedules += [
            _for_one(device.name, each, tables, time_limit_s) for device, each in named
        ]
    return FleetPlan(
        model=workloads[0].model,
        batch=batch,
        devices=tuple(
            FleetDevice(
                profile=device.name, device=device.device, dtype=workload.dtype,
                budget_ns=limit, dense_ns=table.dense_ns,
                provenance=provenance_of(device, table),
            )
            for device, workload, limit, table in zip(
                known, workloads, budgets, tables, strict=True
            )
        ),
        schedules=tuple(schedules),
        warnings=(*warnings, *_said(known, tables)),
    )  # fmt: skip


def _in_common(tables: list[LatencyTable]) -> tuple[list[LatencyTable], tuple[str, ...]]:
    """The tables of the counts that all have, and how many were left out."""
    common = reduce(np.intersect1d, [table.counts for table in tables])
    every = reduce(np.union1d, [table.counts for table in tables])
    if len(common) == len(every):
        return tables, ()
    said = (
        f"{len(every) - len(common)} of {len(every)} counts are left out, which not every "
        "profile has"
    )
    return [table.only(common) for table in tables], (said,)


def _for_all(
    posed: Sequence[tuple[Posed, ...]], tables: list[LatencyTable], time_limit_s: float
) -> FleetSchedule:
    """The best schedule for all devices, of every ending."""
    answers = []
    for endings in zip(*posed, strict=True):
        found = solve_fleet([each.problem for each in endings], time_limit_s=time_limit_s)
        answers.append((endings[0], found))
    ending, best = max(answers, key=lambda answer: _rank(answer[1]))
    feasible = [found.bound for _, found in answers if not found.status.over_budget]
    bound = max(feasible, default=best.value)
    status = best.status if bound <= best.value else Status.TIME_LIMIT
    schedule = ending.schedule_of_tokens(best.tokens)
    return _costed(None, status, schedule, bound - best.value, tables)


def _rank(found: FleetSolution) -> tuple[bool, int, float]:
    within = not found.status.over_budget
    pairs = zip(found.latency_ns, found.budget_ns, strict=True)
    return within, found.value if within else 0, -max(a / b for a, b in pairs)


def _for_one(
    name: str,
    posed: tuple[Posed, ...],
    tables: list[LatencyTable],
    time_limit_s: float | None,
) -> FleetSchedule:
    """The best schedule for one device."""
    ending, found = solve_better(posed, solver=pareto, time_limit_s=time_limit_s)
    gap = 0 if found.status.over_budget else found.gap
    return _costed(name, found.status, ending.schedule_of(found), gap, tables)


def _costed(
    name: str | None, status: Status, schedule: Schedule, gap: int, tables: list[LatencyTable]
) -> FleetSchedule:
    return FleetSchedule(
        made_for=name,
        status=status,
        schedule=schedule,
        gap=gap,
        latency_ns=tuple(table.latency_ns(schedule.tokens) for table in tables),
    )


def _said(known: Sequence[DeviceProfile], tables: Sequence[LatencyTable]) -> tuple[str, ...]:
    """Every profile's warnings, under its name."""
    return tuple(
        f"{device.name}: {warning}"
        for device, table in zip(known, tables, strict=True)
        for warning in (*device.warnings, *table.warnings)
    )
