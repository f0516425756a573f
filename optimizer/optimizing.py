"""The whole job: from a model, a device and a budget to a plan."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latmodel.catalogue import read_profile
from latmodel.profile import DeviceProfile
from latmodel.table import LatencyTable
from latmodel.workload import Workload
from latmodel.workloads import find_workload
from optimizer.assuring import solve_assured, stays_whole
from optimizer.budget import Budget
from optimizer.errors import BudgetError, ProblemError
from optimizer.plan import Plan
from optimizer.posing import pose_endings, problem_for, solve_better
from optimizer.schedule import Schedule
from optimizer.solution import Solution, Status
from optimizer.solvers.pareto import pareto
from optimizer.solving import Solver

if TYPE_CHECKING:
    from torch import nn

__all__ = ["optimize", "problem_for", "provenance_of", "workload_of"]

_COLLAPSED = 0.25
"""A schedule whose last block keeps less than this share of the tokens gets a warning.

Source: EViT at its lowest published rate, 0.5 after blocks 3, 6 and 9, ends at 0.125 and
loses 5 points; at 0.7 it ends at 0.34 (Liang et al. 2022, arXiv:2202.07800)."""

_UNTIMED = (
    "proportional attention adds a mask to every attention behind the first cut, which no "
    "profile has timed and some fused kernels do not take: verify the plan on the device"
)


def optimize(
    model: nn.Module | str | Workload,
    *,
    profile: DeviceProfile | str | Path,
    budget_ms: float | None = None,
    budget: Budget | None = None,
    batch: int = 1,
    dtype: str | None = None,
    mode: str | None = None,
    earliest_cut: int | None = None,
    max_cuts: int | None = None,
    least_count: int | None = None,
    least_rate: float | None = None,
    multiple_of: int = 1,
    latest_cut: int | None = None,
    cut_blocks: tuple[int, ...] | None = None,
    pinned: tuple[tuple[int, int], ...] = (),
    largest_drop: int | None = None,
    time_limit_s: float | None = None,
    lossless_last: bool | None = None,
    confidence: float | None = None,
    measured_only: bool = False,
    score: str = "pomt",
    dropped: str = "average",
    proportional: bool = False,
    solver: Solver = pareto,
) -> Plan:
    """Choose how many tokens each block keeps, so that the model meets a latency budget.

    Args:
        model: a plain timm vision transformer, its name, or its shapes, whose batch and
            dtype are those given below.
        profile: a device profile, its path, or the name of a shipped one.
        budget_ms: the whole model's latency at most, in ms; or give `budget`.
        budget: a parsed budget, which may be a share of the unpruned latency.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES`; None takes fp32 where the profile knows it,
            else the first that it knows.
        mode: how operators run, one of `latmodel.stretches.MODES`; None takes the profile's
            own, and a measured curve where there is one.
        earliest_cut: the first block that may drop tokens, from 0; by default a quarter
            of the depth, since scores mean little before, or the first of the blocks
            that `cut_blocks` and `pinned` name, if that is earlier.
        max_cuts: blocks that may drop tokens at most; None for no limit.
        least_count: tokens that every block keeps at least; by default one more than the
            prefix.
        least_rate: the same as a share of the patches, such as 0.5; give at most one.
        multiple_of: every count but the full one is a multiple of this.
        latest_cut: the last block that may drop tokens.
        cut_blocks: the only blocks that may drop tokens.
        pinned: pairs (block, count): exactly that count leaves that block.
        largest_drop: tokens that one block drops at most.
        time_limit_s: seconds after which the solver settles for the best schedule found;
            the plan then says how far it may be from the optimum. None for no limit.
        lossless_last: let only the prefix leave the last block's attention, where the head
            reads nothing else: its logits are then equal to rounding. That cut counts as
            none and keeps all, and no constraint binds it. None: where it helps, and the
            unpruned model misses the budget; True: always; False: never.
        confidence: the probability, under the profile's error model, with which the budget
            is to be kept, such as 0.95; None holds the expected latency against it.
        measured_only: use no counts but those that were timed on the device.
        score: what is to choose the tokens that stay; recorded in the plan.
        dropped: what is to happen to the others; recorded in the plan.
        proportional: whether later attention is to count a token as often as the patches
            that it stands for; recorded in the plan, which then warns that no profile has
            timed it.
        solver: any function in `optimizer.solvers`; or, with `lossless_last=False`, since
            their blocks are counted among all, in `optimizer.baselines.fitting`.

    Returns:
        A plan; where no schedule meets the budget its status says so and its schedule is
        the fastest there is.

    Raises:
        BudgetError: not exactly one of `budget_ms` and `budget`, or it is not positive.
        ProblemError: a constraint or `confidence` is out of range, `lossless_last` is True
            and the head reads more than prefix tokens, or `measured_only` is True and no
            count was timed.
        UndecidedError: no schedule was found that keeps the budget with that confidence,
            nor a proof that there is none.
        LatmodelError: the model or the profile is unknown, unreadable or does not fit.

    >>> plan = optimize("deit_small_patch16_224", budget_ms=1000, profile="jetson")
    >>> plan.status.value, plan.kept_fraction
    ('proved optimal', 1.0)
    """
    if (budget is None) == (budget_ms is None):
        raise BudgetError("give exactly one of budget_ms and budget")
    chosen = budget if budget is not None else Budget.of_ms(budget_ms or 0.0)
    device = profile if isinstance(profile, DeviceProfile) else read_profile(profile)
    workload = workload_of(model, batch, device.default_dtype if dtype is None else dtype)
    table = device.table(workload, mode=mode)
    table = _timed(table, device, workload) if measured_only else table
    budget_ns = chosen.within(table.dense_ns)
    posed = pose_endings(
        table,
        workload,
        budget_ns=budget_ns,
        lossless_last=lossless_last,
        earliest_cut=earliest_cut,
        max_cuts=max_cuts,
        least_count=least_count,
        least_rate=least_rate,
        multiple_of=multiple_of,
        latest_cut=latest_cut,
        cut_blocks=cut_blocks,
        pinned=pinned,
        largest_drop=largest_drop,
    )
    # A model that meets the budget as it is stays as it is, to the last bit.
    fits = (
        table.dense_ns <= budget_ns
        if confidence is None
        else stays_whole(posed[-1], table, confidence)
    )
    asked = posed[-1:] if lossless_last is None and fits else posed
    assurance = None
    if confidence is None:
        ending, solution = solve_better(asked, solver=solver, time_limit_s=time_limit_s)
    else:
        ending, solution, assurance = solve_assured(
            asked, table, confidence, solver=solver, time_limit_s=time_limit_s
        )
    _, fastest = solve_better(posed, solver=pareto, budget_ns=0)
    schedule = ending.schedule_of(solution)
    return Plan(
        status=solution.status,
        model=workload.model,
        batch=batch,
        dtype=workload.dtype,
        schedule=schedule,
        score=score,
        dropped=dropped,
        proportional=proportional,
        budget_ns=budget_ns,
        dense_ns=table.dense_ns,
        predicted_ns=solution.latency_ns,
        fastest_ns=fastest.latency_ns,
        relative_error=table.relative_error_of(schedule.tokens),
        assurance=assurance,
        profile=device.name,
        device=device.device,
        provenance=provenance_of(device, table),
        warnings=(
            *device.warnings,
            *table.warnings,
            *_warnings(solution, schedule),
            *_gap(solution),
            *((_UNTIMED,) if proportional and schedule.cuts else ()),
        ),
        versions=_versions(),
    )


def _timed(table: LatencyTable, device: DeviceProfile, workload: Workload) -> LatencyTable:
    """The table of the counts that were timed."""
    if table.timed is None:
        raise ProblemError(
            f"measured_only is True: of {workload.model} profile {device.name!r} has no "
            "measured curve, so no count was timed; leave it out, or measure: latmodel probe "
            f"--model {workload.model} --out FILE"
        )
    return table.only(table.counts[table.timed])


def workload_of(model: nn.Module | str | Workload, batch: int, dtype: str) -> Workload:
    """What runs: a model, its name, or its shapes, at this batch and number format.

    Raises:
        LatmodelError: the model is unknown, or no plain vision transformer.
    """
    if isinstance(model, Workload):
        return model.at(batch=batch, dtype=dtype)
    if isinstance(model, str):
        return find_workload(model, batch=batch, dtype=dtype)
    from latmodel.architectures import describe  # noqa: PLC0415 (imports torch and timm)

    return describe(model, batch=batch, dtype=dtype)


def provenance_of(device: DeviceProfile, table: LatencyTable) -> tuple[str, ...]:
    """Where a table's numbers come from and how well they are known, a sentence each."""
    said = [f"{table.origin}; confidence {device.confidence}"]
    for source in device.provenance:
        derived = f"; derived: {source.derived}" if source.derived else ""
        said.append(f"{source.source}; measured: {source.measured}{derived}")
    said += [f"error {e.mean_percent:.1f} % on {e.what} ({e.rows} rows)" for e in device.errors]
    return tuple(said)


def _warnings(solution: Solution, schedule: Schedule) -> tuple[str, ...]:
    last = schedule.worth[-1] / schedule.full
    if solution.status.over_budget or last >= _COLLAPSED:
        return ()
    advice = (
        f"the last block keeps {schedule.worth[-1]} of {schedule.full} tokens: counting kept "
        "tokens says little about accuracy at so tight a budget; try --earliest-cut 1, "
        f"--least-count {int(np.ceil(_COLLAPSED * schedule.full))} or a larger budget, and "
        "evaluate the cut model"
    )
    return (advice,)


def _gap(solution: Solution) -> tuple[str, ...]:
    kept, gap = solution.value, solution.bound - solution.value
    if solution.status is Status.TIME_LIMIT:
        said = (
            f"the time limit stopped the solver: it keeps {kept} tokens over all blocks, and "
            f"no schedule within the budget keeps over {gap} more; try a longer --time-limit"
        )
        return (said,)
    if solution.status is Status.BOUNDED:
        said = (
            f"the schedule keeps {kept} tokens over all blocks; none that is as sure to keep "
            f"the budget keeps over {gap} more"
        )
        return (said,)
    return ()


def _versions() -> tuple[tuple[str, str], ...]:
    """The versions of what plans and what will run it, without importing either."""
    found = []
    for name in ("token-budget", "timm", "torch"):
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "not installed"))
    return tuple(found)
