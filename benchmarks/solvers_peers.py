"""The solvers that ours is compared with, each called as `optimizer.solving.Solver` says.

HiGHS solves the flow of `optimizer.solvers.milp`. CP-SAT gets a model of its own, written from
the definition of `Problem`: literals for the order of counts, "block b leaves at least count
k", and for each count whether it is kept or reached by a cut. Its linear relaxation is as tight
as the flow's (the rule below that ties two blocks is the flow's cut inequality), so that both
of CP-SAT's engines, clauses and linear programming, have what they need. Default parameters
but for the time limit: it takes all cores and proves the optimum without a gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.errors import SolverError
from optimizer.problem import Problem
from optimizer.solution import Solution, Status

if TYPE_CHECKING:
    from optimizer.problem import Int64
    from optimizer.solving import Solver

__all__ = ["OURS", "PEERS", "cp_sat", "lacking", "loaded"]

OURS = "ours"
PEERS = ("HiGHS", "CP-SAT")
_CP_MODEL = "ortools.sat.python.cp_model"
"""Imported on use, since not everyone has it."""


def lacking(peer: str) -> str | None:
    """What to install where a peer is missing; None where it is there."""
    if peer != "CP-SAT" or find_spec("ortools") is not None:
        return None
    return (
        "CP-SAT needs ortools, which this Python lacks: pip install ortools "
        "(or 'token-budget[bench]')"
    )


def loaded(name: str) -> Solver:
    """A solver by name, its own libraries imported, and nobody else's."""
    if name == OURS:
        from optimizer.solvers.pareto import pareto  # noqa: PLC0415 (as said)

        return pareto
    if name == "HiGHS":
        from optimizer.solvers.milp import milp  # noqa: PLC0415 (as said)

        return milp
    import_module(_CP_MODEL)
    return cp_sat


def cp_sat(problem: Problem, *, time_limit_s: float | None = None) -> Solution:
    """Solve by OR-tools' CP-SAT; of equal values it may give any.

    Raises:
        SolverError: it ended without a schedule.
    """
    found = _run(problem, True, time_limit_s)
    status = {"OPTIMAL": Status.OPTIMAL, "FEASIBLE": Status.TIME_LIMIT}.get(found.ended)
    if found.ended == "INFEASIBLE":
        found, status = _run(problem, False, time_limit_s), Status.INFEASIBLE
        if found.ended != "OPTIMAL":
            raise SolverError(f"CP-SAT gave no fastest schedule: {found.ended}")
    if status is None:
        raise SolverError(f"CP-SAT gave no schedule: {found.ended}")
    value, latency = problem.value_of(found.tokens), problem.latency_ns(found.tokens)
    bound = max(found.bound, value) if status is Status.TIME_LIMIT else value
    return Solution(status, found.tokens, value, latency, bound)


@dataclass(frozen=True, slots=True)
class _Found:
    """How CP-SAT ended, and with what; no tokens and no bound where it has no schedule."""

    ended: str
    tokens: tuple[int, ...] = ()
    bound: int = 0


def _run(problem: Problem, budgeted: bool, time_limit_s: float | None) -> _Found:
    """The greatest value within the budget, or without one the least latency."""
    cp_model = import_module(_CP_MODEL)
    columns = problem.allowed_only()
    model, kept, reached = _model(columns)
    latency = _total(columns.segment_ns, kept) + _total(
        columns.segment_ns + columns.cut_ns, reached
    )
    if budgeted:
        model.add(latency <= columns.budget_ns - columns.fixed_ns)
        model.maximize(_total(columns.value, kept) + _total(columns.value, reached))
    else:
        model.minimize(latency)
    solver = cp_model.CpSolver()
    if time_limit_s is not None:
        solver.parameters.max_time_in_seconds = time_limit_s
    ended = solver.status_name(solver.solve(model))
    if ended not in {"OPTIMAL", "FEASIBLE"}:
        return _Found(ended)
    bound = int(np.floor(solver.best_objective_bound + 1e-6))
    return _Found(ended, _decode(columns, solver, kept, reached), bound)


def _model(problem: Problem) -> tuple[Any, list[list[Any]], list[list[Any]]]:
    """All rules but the budget; literals that a count is kept, or reached, at each block."""
    model, width = import_module(_CP_MODEL).CpModel(), len(problem.counts)
    kept, reached = (
        [
            [model.new_bool_var(f"{name} {block} {k}") for k in range(width)]
            for block in range(problem.depth)
        ]
        for name in ("kept", "reached")
    )
    # least[k]: at least count k; always so of the smallest, and never of one above the last.
    before: list[Any] = [1] * width + [0]
    for block in range(problem.depth):
        least = [1, *(model.new_bool_var(f"least {block} {k}") for k in range(1, width)), 0]
        model.add_exactly_one(*kept[block], *reached[block])
        for k in range(width):
            here = kept[block][k] + reached[block][k]
            model.add(here == least[k] - least[k + 1])
            model.add(kept[block][k] <= before[k] - before[k + 1])
            # What stays above k and what is cut down to k both come from above k.
            model.add(least[k + 1] + reached[block][k] <= before[k + 1])
        _forbid(model, problem, block, kept[block], reached[block])
        before = least
    if problem.cut_limit < int(problem.may_drop.sum()):
        model.add(sum(literal for row in reached for literal in row) <= problem.cut_limit)
    if problem.largest_drop is not None:
        _limit_drops(model, problem, kept, reached)
    return model, kept, reached


def _forbid(
    model: Any, problem: Problem, block: int, kept: list[Any], reached: list[Any]
) -> None:
    """Blocks that may not drop tokens, and counts that may not leave a block."""
    for k, may in enumerate(problem.may_leave[block]):
        if not may:
            model.add(kept[k] == 0)
        if not may or not problem.may_drop[block]:
            model.add(reached[k] == 0)


def _limit_drops(
    model: Any, problem: Problem, kept: list[list[Any]], reached: list[list[Any]]
) -> None:
    before: Any = problem.full
    for stay, arrive in zip(kept, reached, strict=True):
        pairs = zip(problem.counts.tolist(), stay, arrive, strict=True)
        count = sum(n * a + n * b for n, a, b in pairs)
        model.add(before - count <= problem.largest_drop)
        before = count


def _total(weights: Int64, literals: list[list[Any]]) -> Any:
    flat = [literal for row in literals for literal in row]
    return import_module(_CP_MODEL).LinearExpr.weighted_sum(flat, weights.ravel().tolist())


def _decode(
    problem: Problem, solver: Any, kept: list[list[Any]], reached: list[list[Any]]
) -> tuple[int, ...]:
    return tuple(
        next(
            int(count)
            for count, a, b in zip(problem.counts, stay, arrive, strict=True)
            if solver.boolean_value(a) or solver.boolean_value(b)
        )
        for stay, arrive in zip(kept, reached, strict=True)
    )
