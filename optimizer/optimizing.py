"""The whole job: from a model, a device and a budget to a plan."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from latmodel.catalogue import read_profile
from latmodel.profile import DeviceProfile
from latmodel.table import LatencyTable
from latmodel.workload import Workload
from latmodel.workloads import find_workload
from optimizer.advising import UNTIMED, gap_of, starving, unmeasured, yielded
from optimizer.budget import Budget
from optimizer.errors import BudgetError, ProblemError
from optimizer.fidelity.claim import Claim
from optimizer.fidelity.valuing import (
    not_negative,
    predicted_damage,
    value_of_damage,
    whole_damage,
)
from optimizer.plan import Plan
from optimizer.posing import problem_for, solve_better
from optimizer.question import Question
from optimizer.solvers.pareto import pareto
from optimizer.solving import Solver
from optimizer.yielding import Yielded, answer_yielding

if TYPE_CHECKING:
    from torch import nn

    from optimizer.fidelity.damage import DamageTable
    from optimizer.schedule import Schedule

__all__ = ["optimize", "problem_for", "provenance_of", "workload_of"]


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
    damage: DamageTable | None = None,
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
            that `cut_blocks` and `pinned` name, if that is earlier. Where the budget is so
            tight that the last blocks would starve, that default gives way, by the rule in
            `optimizer.yielding`; and with a damage table it is 0.
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
        damage: what cuts cost at the output, measured for this model and this way of
            cutting; then the least damage is chosen in place of the most tokens. See
            `optimizer.fidelity`.

    Returns:
        A plan; where no schedule meets the budget its status says so and its schedule is
        the fastest there is.

    Raises:
        BudgetError: not exactly one of `budget_ms` and `budget`, or it is not positive.
        DamageError: the damage table is of another model or way of cutting.
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
    constraints = {
        "earliest_cut": earliest_cut,
        "max_cuts": max_cuts,
        "least_count": least_count,
        "least_rate": least_rate,
        "multiple_of": multiple_of,
        "latest_cut": latest_cut,
        "cut_blocks": cut_blocks,
        "pinned": pinned,
        "largest_drop": largest_drop,
    }
    value = None
    if damage is not None:
        damage.require_of(workload, score=score, dropped=dropped, proportional=proportional)
        value = not_negative(value_of_damage(whole_damage(damage, table.counts)))
        constraints["earliest_cut"] = earliest_cut or 0
    question = Question(
        table=table,
        workload=workload,
        budget_ns=budget_ns,
        value=value,
        lossless_last=lossless_last,
        confidence=confidence,
        solver=solver,
        time_limit_s=time_limit_s,
        constraints=constraints,
    )
    found = answer_yielding(question) if damage is None else Yielded.of(question.answer())
    _, fastest = solve_better(found.widest, solver=pareto, budget_ns=0)
    answer = found.answer
    schedule, solution = answer.schedule, answer.solution
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
        assurance=answer.assurance,
        profile=device.name,
        device=device.device,
        provenance=provenance_of(device, table),
        warnings=(
            *device.warnings,
            *table.warnings,
            *_advice(found, damage),
            *gap_of(answer, damage),
            *((UNTIMED,) if proportional and schedule.cuts else ()),
        ),
        versions=_versions(),
        earliest_cut=answer.earliest_cut,
        fidelity=None if damage is None else _claim(damage, schedule),
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


def _advice(found: Yielded, damage: DamageTable | None) -> tuple[str, ...]:
    if damage is not None:
        return unmeasured(found.answer.schedule, damage)
    return (*yielded(found), *starving(found))


def _claim(damage: DamageTable, schedule: Schedule) -> Claim:
    return Claim(
        divergence=damage.divergence,
        images=damage.images,
        predicted=predicted_damage(damage, schedule.tokens),
    )


def _versions() -> tuple[tuple[str, str], ...]:
    """The versions of what plans and what will run it, without importing either."""
    found = []
    for name in ("token-budget", "timm", "torch"):
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "not installed"))
    return tuple(found)
