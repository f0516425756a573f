"""The second opinion: the same problem as a mixed-integer program, solved by HiGHS.

One unit of flow runs through a graph whose nodes are (block, count). An edge either keeps
the count or leaves it for a chain that leads down to any smaller one; so the program grows
with depth x counts, not with its square. The budget, the number of cuts and
the largest drop are rows that tie the edges together. One budget or several, each is a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult
from scipy.optimize import milp as highs
from scipy.sparse import csr_array

from optimizer.errors import SolverError
from optimizer.problem import Problem
from optimizer.solution import Solution, Status

__all__ = ["Several", "milp", "milp_several"]

_Row: TypeAlias = tuple[npt.NDArray[np.float64], float]
"""A coefficient per edge, and what their sum is at most."""

_STAY, _ENTER, _DOWN, _ARRIVE = range(4)
"""Edge kinds: keep the count; leave it for the chain; go down the chain; arrive by a cut."""


def milp(problem: Problem, *, time_limit_s: float | None = None) -> Solution:
    """Solve by HiGHS, to a gap of zero, and check its floats in integers.

    Among schedules of equal value HiGHS may give any; the tie rule of `Solution` does not
    hold for it.

    Raises:
        SolverError: HiGHS failed, ran out of time without a schedule, or gave one that
            breaks the budget when added up in integers.
    """
    columns = problem.allowed_only()
    cost = -_per_edge(columns, columns.value)
    outcome = _run(columns, cost, [_budget(columns)], time_limit_s)
    if outcome.status == 2:
        return _fastest(columns, time_limit_s)
    if outcome.x is None or outcome.status not in (0, 1):
        raise SolverError(f"HiGHS gave no schedule: {outcome.message}")
    tokens = _decode(columns, outcome.x)
    value, latency = problem.value_of(tokens), problem.latency_ns(tokens)
    if latency > problem.budget_ns:
        raise SolverError(
            f"HiGHS gave a schedule of {latency} ns for a budget of {problem.budget_ns} ns"
        )
    if outcome.status == 1:
        bound = int(np.floor(-outcome.mip_dual_bound + 1e-6))
        return Solution(Status.TIME_LIMIT, tokens, value, latency, max(bound, value))
    return Solution(Status.OPTIMAL, tokens, value, latency, value)


@dataclass(frozen=True, slots=True)
class Several:
    """What HiGHS says of several budgets at once.

    Attributes:
        tokens: a schedule that meets them, its sums checked in integers; None for none.
        bound: no schedule that meets them is worth more; None where there is no such.
    """

    tokens: tuple[int, ...] | None
    bound: int | None


def milp_several(
    problems: Sequence[Problem], *, above: int | None = None, time_limit_s: float | None = None
) -> Several:
    """The schedule of greatest value that is within every problem's budget.

    Args:
        problems: alike but for latencies and budgets; one or more.
        above: look only for schedules worth more; None for any.
        time_limit_s: stop after about so many seconds.

    Raises:
        SolverError: HiGHS failed.
    """
    columns = [problem.allowed_only() for problem in problems]
    value, rows = _per_edge(columns[0], columns[0].value), [_budget(each) for each in columns]
    if above is not None:
        rows.append((-value, -float(above + 1)))
    outcome = _run(columns[0], -value, rows, time_limit_s)
    if outcome.status == 2:
        return Several(None, above)
    if outcome.status not in (0, 1):
        raise SolverError(f"HiGHS gave no schedule: {outcome.message}")
    most = int(columns[0].value.max(axis=1).sum())
    if outcome.mip_dual_bound is not None and np.isfinite(outcome.mip_dual_bound):
        most = min(most, int(np.floor(-outcome.mip_dual_bound + 1e-6)))
    tokens = None if outcome.x is None else _decode(columns[0], outcome.x)
    if tokens and any(each.latency_ns(tokens) > each.budget_ns for each in columns):
        tokens = None
    return Several(tokens, most)


def _budget(problem: Problem) -> _Row:
    return _latencies(problem), float(problem.budget_ns - problem.fixed_ns)


def _fastest(problem: Problem, time_limit_s: float | None) -> Solution:
    """The schedule of least latency, for a problem that no schedule solves."""
    outcome = _run(problem, _latencies(problem), [], time_limit_s)
    if outcome.x is None or outcome.status != 0:
        raise SolverError(f"HiGHS gave no fastest schedule: {outcome.message}")
    tokens = _decode(problem, outcome.x)
    value = problem.value_of(tokens)
    return Solution(Status.INFEASIBLE, tokens, value, problem.latency_ns(tokens), value)


def _edge(problem: Problem, kind: int, block: int, column: int) -> int:
    return (kind * problem.depth + block) * len(problem.counts) + column


def _per_edge(
    problem: Problem, stay: npt.NDArray[np.int64], arrive: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.float64]:
    """One coefficient per edge: a kept or reached count counts, the chain does not."""
    size = problem.depth * len(problem.counts)
    reached = stay if arrive is None else arrive
    zeros = np.zeros(size)
    return np.concatenate([stay.ravel(), zeros, zeros, reached.ravel()]).astype(np.float64)


def _latencies(problem: Problem) -> npt.NDArray[np.float64]:
    return _per_edge(problem, problem.segment_ns, problem.segment_ns + problem.cut_ns)


def _run(
    problem: Problem,
    cost: npt.NDArray[np.float64],
    rows: Sequence[_Row],
    time_limit_s: float | None,
) -> OptimizeResult:
    """Minimise a cost; each of the rows is at most its limit."""
    size = problem.depth * len(problem.counts)
    flow, supply = _flow(problem)
    cuts = np.repeat([0.0, 0.0, 0.0, 1.0], size)
    constraints = [
        LinearConstraint(flow, supply, supply),
        LinearConstraint(csr_array(cuts[None, :]), -np.inf, problem.cut_limit),
    ]
    for coefficients, limit in rows:
        constraints.append(LinearConstraint(csr_array(coefficients[None, :]), -np.inf, limit))
    if problem.largest_drop is not None:
        constraints.append(LinearConstraint(_drops(problem), -np.inf, problem.largest_drop))
    result: OptimizeResult = highs(
        cost,
        # Whole cuts make the rest whole: a part kept beside a part cut would arrive in part.
        integrality=np.repeat([0, 0, 0, 1], size),
        bounds=Bounds(np.zeros(4 * size), _upper(problem)),
        constraints=constraints,
        options={
            "mip_rel_gap": 0.0,
            "time_limit": np.inf if time_limit_s is None else time_limit_s,
        },
    )
    return result


def _upper(problem: Problem) -> npt.NDArray[np.float64]:
    """Most flow per edge: none where a block may not cut, or a count may not leave it."""
    edges = np.ones((4, problem.depth, len(problem.counts)))
    edges[_ENTER, ~problem.may_drop] = 0
    edges[_STAY, ~problem.may_leave] = 0
    edges[_ARRIVE, ~problem.may_leave] = 0
    return edges.ravel()


def _drops(problem: Problem) -> csr_array:
    """A row per block: the tokens that it drops, the count left less the count reached."""
    width, size = len(problem.counts), problem.depth * len(problem.counts)
    rows = np.repeat(np.arange(problem.depth), width)
    edges = np.concatenate([_ENTER * size + np.arange(size), _ARRIVE * size + np.arange(size)])
    tokens = np.tile(problem.counts, problem.depth).astype(np.float64)
    entries = (np.concatenate([tokens, -tokens]), (np.tile(rows, 2), edges))
    return csr_array(entries, shape=(problem.depth, 4 * size))


def _flow(problem: Problem) -> tuple[csr_array, npt.NDArray[np.float64]]:
    """Conservation at every node: what comes in goes out."""
    rows: list[int] = []
    columns: list[int] = []
    signs: list[float] = []
    width = len(problem.counts)
    supply = np.zeros(2 * problem.depth * width)
    supply[width - 1] = 1  # before block 0 every token is there

    def entry(row: int, edge: int, sign: float) -> None:
        rows.append(row)
        columns.append(edge)
        signs.append(sign)

    for block in range(problem.depth):
        for k in range(width):
            state = block * width + k
            entry(state, _edge(problem, _STAY, block, k), 1)
            entry(state, _edge(problem, _ENTER, block, k), 1)
            if block:
                entry(state, _edge(problem, _STAY, block - 1, k), -1)
                entry(state, _edge(problem, _ARRIVE, block - 1, k), -1)
            chain = problem.depth * width + state
            entry(chain, _edge(problem, _DOWN, block, k), 1)
            entry(chain, _edge(problem, _ARRIVE, block, k), 1)
            if k + 1 < width:
                entry(chain, _edge(problem, _DOWN, block, k + 1), -1)
                entry(chain, _edge(problem, _ENTER, block, k + 1), -1)
    # The chain ends at the smallest count, and nothing smaller can be entered from it.
    for block in range(problem.depth):
        entry(len(supply) + block, _edge(problem, _DOWN, block, 0), 1)
        entry(len(supply) + block, _edge(problem, _ENTER, block, 0), 1)
    supply = np.concatenate([supply, np.zeros(problem.depth)])
    shape = (len(supply), 4 * problem.depth * width)
    return csr_array((signs, (rows, columns)), shape=shape), supply


def _decode(problem: Problem, flow: npt.NDArray[np.float64]) -> tuple[int, ...]:
    edges = flow.reshape(4, problem.depth, len(problem.counts))
    used = edges[_STAY] + edges[_ARRIVE]
    return tuple(int(problem.counts[k]) for k in used.argmax(axis=1))
