"""The other way round: the fastest schedule that keeps enough tokens."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from optimizer.budget import Budget
from optimizer.errors import BudgetError
from optimizer.optimizing import optimize
from optimizer.solution import Status

if TYPE_CHECKING:
    from latmodel.profile import DeviceProfile
    from latmodel.workload import Workload
    from optimizer.plan import Plan

__all__ = ["plan_fastest"]


def plan_fastest(
    workload: Workload,
    *,
    profile: DeviceProfile,
    budget: Budget,
    least_kept: float,
    **options: Any,
) -> Plan:
    """A plan by the fastest schedule that keeps a share of all tokens within a budget.

    The most that can be kept never falls as the budget grows, so the least budget that
    keeps enough is found by halving, to the nanosecond; its plan is the fastest that does,
    and of all as fast the one that keeps most.

    Args:
        workload: what runs; its batch counts.
        profile: the device.
        budget: the latency at most; no share of the unpruned.
        least_kept: the share.
        options: others of `optimizer.optimize`, but for a solver.

    Returns:
        FASTEST; or, where none keeps as much within the budget, what `optimizer.optimize`
        gives there.

    Raises:
        BudgetError: the budget is a share.
        ProblemError: as `optimizer.optimize`.
    """
    if budget.relative:
        raise BudgetError("budget is a share of the unpruned latency: give a latency")

    def plan_within(limit: Budget, **changes: Any) -> Plan:
        return optimize(
            workload,
            profile=profile,
            batch=workload.batch,
            budget=limit,
            **(options | changes),
        )

    best = plan_within(budget)
    if best.status.over_budget or not _keeps(best, least_kept):
        return best
    low, high = best.fastest_ns - 1, min(best.budget_ns, best.dense_ns)
    while high - low > 1:
        middle = (low + high) // 2
        # Were the first cut to come earlier as the budget falls, more might be kept again.
        plan = plan_within(Budget(Decimal(middle)), earliest_cut=best.earliest_cut)
        if plan.status.over_budget or not _keeps(plan, least_kept):
            low = middle
        else:
            high, best = middle, plan
    return replace(best, budget_ns=budget.within(0), status=Status.FASTEST)


def _keeps(plan: Plan, least_kept: float) -> bool:
    # In tokens, as 0.7 is no float: nothing may fail by less than a token's thousandth.
    tokens = plan.schedule.full * plan.schedule.depth
    return (plan.kept_fraction - least_kept) * tokens > -1e-3
