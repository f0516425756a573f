"""Schedules of every method for one latency table: ours solved, the rivals' fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accuracy_methods import OURS, RIVALS, Setting

from optimizer.baselines.fitting import fit_flops, fit_latency
from optimizer.fidelity.valuing import (
    not_negative,
    predicted_damage,
    value_of_damage,
    whole_damage,
)
from optimizer.posing import problem_for
from optimizer.question import Question
from optimizer.schedule import Schedule
from optimizer.solution import Solution
from optimizer.solvers.pareto import pareto
from optimizer.yielding import answer_yielding

if TYPE_CHECKING:
    from latmodel.table import Int64, LatencyTable
    from latmodel.workload import Workload
    from optimizer.fidelity.damage import DamageTable

__all__ = ["Device", "Fitted"]

KEPT_CUTTER = "pomt, averaged"
"""As `optimize` cuts by default."""


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
    """Where a model is to run: its latency table, and what its cuts cost at the output.

    Attributes:
        table: of the workload.
        workload: the model that is cut, or one of as many blocks and tokens.
        damages: measured for the model, one for each score that may choose the tokens.
    """

    table: LatencyTable
    workload: Workload
    damages: tuple[DamageTable, ...]

    def ours(self, objective: str, share: float) -> Fitted:
        """The best schedule for a budget that is a share of the uncut model's latency.

        Of least damage by the score whose table foretells least; or of most tokens, by the
        score that is the default.
        """
        assert objective in OURS
        if objective != "fidelity":
            found = answer_yielding(self._question(share, None, None)).answer
            return self._fitted(KEPT_CUTTER, found.schedule, found.solution)
        answers = [
            (self._question(share, self._value(damage), 0).answer(), damage)
            for damage in self.damages
        ]
        found, damage = min(
            answers, key=lambda one: predicted_damage(one[1], one[0].schedule.tokens)
        )
        return self._fitted(f"{damage.score}, averaged", found.schedule, found.solution)

    def _question(self, share: float, value: Int64 | None, earliest: int | None) -> Question:
        return Question(
            table=self.table,
            workload=self.workload,
            budget_ns=self._budget_ns(share),
            value=value,
            lossless_last=None,
            confidence=None,
            solver=pareto,
            time_limit_s=None,
            constraints={"earliest_cut": earliest},
        )

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

    def _value(self, damage: DamageTable) -> Int64:
        return not_negative(value_of_damage(whole_damage(damage, self.table.counts)))

    def _budget_ns(self, share: float) -> int:
        return int(share * self.table.dense_ns)

    def _fitted(self, cutter: str, schedule: Schedule, found: Solution) -> Fitted:
        share = found.latency_ns / self.table.dense_ns
        return Fitted(Setting(cutter, schedule), share, not found.status.over_budget)
