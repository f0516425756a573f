"""Schedules of every method for one latency table: ours solved, the rivals' fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accuracy_methods import OURS, RIVALS, Setting

from optimizer.baselines.fitting import fit_flops, fit_latency
from optimizer.posing import pose_endings, problem_for, solve_better
from optimizer.schedule import Schedule
from optimizer.solution import Solution
from optimizer.solvers.pareto import pareto

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from latmodel.table import LatencyTable
    from latmodel.workload import Workload

__all__ = ["Device", "Fitted"]

_OUR_CUTTER = {"fidelity": "cls, averaged", "kept tokens": "pomt, averaged"}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A method's schedule for a budget, and what the table says that it takes.

    Attributes:
        setting: how the model is cut.
        share: of the uncut model's latency, by the table.
        within: whether it is within the budget.
    """

    setting: Setting
    share: float
    within: bool


@dataclass(frozen=True, slots=True, eq=False)
class Device:
    """Where a model is to run: its latency table, and the value of its tokens.

    Attributes:
        table: of the workload.
        workload: the model that is cut.
        value: shape (depth, C), what keeping each count through each block is worth.
    """

    table: LatencyTable
    workload: Workload
    value: npt.NDArray[np.int64]

    def ours(self, objective: str, share: float) -> Fitted:
        """The best schedule for a budget that is a share of the uncut model's latency."""
        assert objective in OURS
        measured = objective == "fidelity"
        posed = pose_endings(
            self.table,
            self.workload,
            budget_ns=self._budget_ns(share),
            lossless_last=None,
            value=self.value if measured else None,
            earliest_cut=0 if measured else None,
        )
        ending, found = solve_better(posed, solver=pareto)
        return self._fitted(_OUR_CUTTER[objective], ending.schedule_of(found), found)

    def rival(self, method: str, share: float, *, by_flops: bool = False) -> Fitted:
        """A rival's largest parameter within the share of latency, or of arithmetic."""
        shape, cutter = RIVALS[method]
        problem = problem_for(
            self.table, self.workload, budget_ns=self._budget_ns(share), earliest_cut=0
        )
        found = (
            fit_flops(problem, shape, self.workload)
            if by_flops
            else fit_latency(problem, shape, prefix=self.workload.prefix)
        )
        schedule = Schedule(found.tokens, self.workload.tokens, self.workload.prefix)
        return self._fitted(cutter, schedule, found)

    def every(self, shares: Sequence[float]) -> dict[str, list[Fitted]]:
        """Each method's schedules for these budgets, by latency; without those over it."""
        found = {name: [self.ours(name, share) for share in shares] for name in OURS}
        found |= {name: [self.rival(name, share) for share in shares] for name in RIVALS}
        return {name: [one for one in some if one.within] for name, some in found.items()}

    def _budget_ns(self, share: float) -> int:
        return int(share * self.table.dense_ns)

    def _fitted(self, cutter: str, schedule: Schedule, found: Solution) -> Fitted:
        share = found.latency_ns / self.table.dense_ns
        return Fitted(Setting(cutter, schedule), share, not found.status.over_budget)
