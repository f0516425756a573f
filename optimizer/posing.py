"""From a latency table to the solver's problem, and from its solution to a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.errors import ProblemError
from optimizer.problem import Problem
from optimizer.schedule import Schedule
from optimizer.solution import Solution, Status
from optimizer.solving import Solver, solve
from optimizer.value import kept_tokens

if TYPE_CHECKING:
    from latmodel.table import Int64, LatencyTable
    from latmodel.workload import Workload

__all__ = ["Posed", "pose", "pose_endings", "problem_for", "solve_better"]


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A problem and how its solutions are read.

    Attributes:
        problem: one row per block that decides.
        workload: what is cut.
        lossless_last: the last block decides nothing: it keeps the prefix alone.
    """

    problem: Problem
    workload: Workload
    lossless_last: bool

    def schedule_of(self, solution: Solution) -> Schedule:
        """The counts of every block."""
        return self.schedule_of_tokens(solution.tokens)

    def schedule_of_tokens(self, tokens: tuple[int, ...]) -> Schedule:
        """The same, from the counts of the blocks that decide."""
        prefix = self.workload.prefix
        last = (prefix,) if self.lossless_last else ()
        return Schedule((*tokens, *last), full=self.workload.tokens, prefix=prefix)


def pose(
    table: LatencyTable,
    workload: Workload,
    *,
    budget_ns: int,
    lossless_last: bool = False,
    value: Int64 | None = None,
    earliest_cut: int | None = None,
    least_count: int | None = None,
    least_rate: float | None = None,
    **constraints: Any,
) -> Posed:
    """What to maximise within the budget, and how to read the answer.

    A lossless last cut is no decision, so the last block has no row. What it costs at each
    count that reaches it is part of the row before, its MLP of `fixed_ns`; and it keeps all
    that reaches it, so that row counts twice. No constraint binds it.

    Args:
        table: what every block costs at every count.
        workload: what is cut.
        budget_ns: the whole model's latency at most.
        lossless_last: whether the schedule ends in the lossless last cut.
        value: shape (depth, C), what keeping each count through each block is worth; None
            counts tokens.
        earliest_cut: as in `optimizer.optimize`.
        least_count: likewise.
        least_rate: likewise.
        constraints: the others of `Problem`, by their names.

    Raises:
        ProblemError: a constraint is out of range, or the model has no lossless last cut.
    """
    least = _least_count(workload, least_count, least_rate)
    if earliest_cut is not None and earliest_cut >= table.depth:
        raise ProblemError(
            f"earliest_cut is {earliest_cut}: {workload.model} has blocks 0 to "
            f"{table.depth - 1}"
        )
    value = kept_tokens(table.counts, table.depth) if value is None else value
    segment_ns, cut_ns, fixed_ns = table.segment_ns, table.cut_ns, table.fixed_ns
    if lossless_last:
        ending = table.ending
        if ending is None:
            raise ProblemError(_no_ending(workload))
        segment_ns = np.vstack((segment_ns[:-2], ending.segment_ns))
        value = np.vstack((value[:-2], value[-2:].sum(axis=0)))
        cut_ns, fixed_ns = cut_ns[:-1], fixed_ns + ending.mlp_ns
        constraints = _before_last(constraints, table.depth - 1)
    problem = Problem(
        counts=table.counts,
        value=value,
        segment_ns=segment_ns,
        cut_ns=cut_ns,
        fixed_ns=fixed_ns,
        budget_ns=budget_ns,
        earliest_cut=_earliest(table.depth, earliest_cut, constraints),
        least_count=least,
        **constraints,
    )
    return Posed(problem, workload, lossless_last)


def pose_endings(
    table: LatencyTable, workload: Workload, *, lossless_last: bool | None, **constraints: Any
) -> tuple[Posed, ...]:
    """Each ending that may be chosen, the lossless one first.

    Args:
        table: as in `pose`, as is the workload.
        workload: likewise.
        lossless_last: True for that ending alone, False for the other; None for both, where
            there are both and no count is pinned to the last block.
        constraints: the other arguments of `pose`.

    Raises:
        ProblemError: as `pose`.
    """
    endings = (True, False) if lossless_last is None else (lossless_last,)
    held = any(block == table.depth - 1 for block, _ in constraints.get("pinned", ()))
    if lossless_last is None and (table.ending is None or held):
        endings = (False,)
    return tuple(pose(table, workload, lossless_last=one, **constraints) for one in endings)


def problem_for(
    table: LatencyTable,
    workload: Workload,
    *,
    budget_ns: int,
    **constraints: Any,
) -> Problem:
    """The problem in which every block decides; arguments as in `pose`.

    Raises:
        ProblemError: a constraint is out of range.
    """
    return pose(table, workload, budget_ns=budget_ns, **constraints).problem


def solve_better(
    posed: tuple[Posed, ...],
    *,
    solver: Solver,
    budget_ns: int | None = None,
    time_limit_s: float | None = None,
) -> tuple[Posed, Solution]:
    """The best solution of several endings of one model.

    That is one within the budget before one beyond it, then greater value, then lower
    latency, then the ending that is named first; where none is within the budget, the
    fastest. The lossless ending is worth no less at equal counts before it, and mostly
    faster; but a table may fall where counts rise, so both are asked. What is proved is
    proved of all: an ending that a time limit stopped short of its bound leaves it open.

    Args:
        posed: one or more, of the same model.
        solver: any function in `optimizer.solvers`.
        budget_ns: another budget than theirs.
        time_limit_s: seconds that each ending's solve may take.
    """
    answers = []
    for each in posed:
        problem = each.problem
        asked = problem if budget_ns is None else problem.with_budget(budget_ns)
        answers.append((each, solve(asked, solver=solver, time_limit_s=time_limit_s)))
    chosen, solution = max(answers, key=lambda answer: _rank(answer[1]))
    if solution.status not in (Status.OPTIMAL, Status.TIME_LIMIT):
        return chosen, solution  # what claims no optimum has none to lose
    feasible = [s for _, s in answers if not s.status.over_budget]
    bound = max(each.bound for each in feasible)
    status = solution.status if bound <= solution.value else Status.TIME_LIMIT
    return chosen, replace(solution, status=status, bound=bound)


def _rank(solution: Solution) -> tuple[bool, int, int]:
    within = not solution.status.over_budget
    return within, solution.value if within else 0, -solution.latency_ns


def _earliest(depth: int, asked: int | None, constraints: Mapping[str, Any]) -> int:
    """A quarter of the depth, but no later than a cut that was asked for by its block."""
    if asked is not None:
        return asked
    named = [block for block, _ in constraints.get("pinned", ())]
    named += constraints.get("cut_blocks") or ()
    return min(depth // 4, *named) if named else depth // 4


def _before_last(constraints: Mapping[str, Any], last: int) -> dict[str, Any]:
    """The constraints on the blocks before one that decides nothing.

    Raises:
        ProblemError: a count is pinned to that block.
    """
    kept = dict(constraints)
    for block, count in kept.get("pinned", ()):
        if block == last:
            raise ProblemError(
                f"pinned holds ({block}, {count}), and a lossless last cut leaves that block "
                "the prefix alone; leave one of the two out"
            )
    if kept.get("cut_blocks") is not None:
        kept["cut_blocks"] = tuple(block for block in kept["cut_blocks"] if block != last)
    if kept.get("latest_cut") is not None:
        kept["latest_cut"] = min(kept["latest_cut"], last - 1)
    return kept


def _least_count(workload: Workload, asked: int | None, rate: float | None) -> int:
    smallest = workload.prefix + 1
    if rate is not None:
        if asked is not None:
            raise ProblemError("give at most one of least_count and least_rate")
        if not 0 < rate <= 1:
            raise ProblemError(f"least_rate is {rate}: must be above 0 and at most 1")
        return max(smallest, workload.prefix + ceil(Decimal(str(rate)) * workload.patches))
    if asked is not None and asked < smallest:
        raise ProblemError(
            f"least_count is {asked}: {workload.model} has {workload.prefix} prefix "
            f"tokens that are never dropped, so it must be {smallest} or more"
        )
    return smallest if asked is None else asked


def _no_ending(workload: Workload) -> str:
    reason = (
        "its head reads more than prefix tokens"
        if not workload.prefix_head
        else "there is no block before its last"
    )
    return (
        f"lossless_last is True: {workload.model} has no lossless last cut, since {reason}; "
        "leave it out"
    )
