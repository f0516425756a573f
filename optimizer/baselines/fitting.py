"""Fit a shape's one parameter: to a latency budget, or as its authors do, to arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from latmodel.flops import schedule_flops
from optimizer.baselines.shapes import CONSTANT_DROP, EQUAL_RATIOS, FIXED_RATIOS, ONE_CUT, Shape
from optimizer.errors import ProblemError
from optimizer.problem import Int64, Problem
from optimizer.solution import Solution, Status

if TYPE_CHECKING:
    from latmodel.workload import Workload

__all__ = [
    "Baseline",
    "Candidates",
    "constant_drop",
    "equal_ratios",
    "fit_flops",
    "fit_latency",
    "fixed_ratios",
    "non_dominated",
    "one_cut",
    "rule_solution",
]


_Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The schedules of a shape that a problem's constraints allow, its budget aside.

    A count that the problem lacks becomes the nearest allowed one below; a schedule that
    then still breaks a constraint is left out.

    Attributes:
        tokens: shape (N, depth), by falling parameter.
        latency_ns: shape (N,).
        value: shape (N,).
    """

    tokens: Int64
    latency_ns: Int64
    value: Int64

    @classmethod
    def of(cls, problem: Problem, shape: Shape, *, prefix: int) -> Candidates:
        """The schedules of `shape`.

        Raises:
            ProblemError: the prefix leaves no patch, or no schedule of the shape obeys the
                constraints.
        """
        if not 0 <= prefix < problem.full:
            raise ProblemError(
                f"prefix is {prefix}: must be 0 or more and below the full count "
                f"({problem.full})"
            )
        wanted = shape.schedules(problem.depth, problem.full, prefix)
        columns = problem.allowed_only()
        place = np.searchsorted(columns.counts, wanted, side="right") - 1
        place = place[(place >= 0).all(axis=1)]
        place = place[_allowed(columns, place)]
        if not len(place):
            raise ProblemError(
                f"no schedule of {shape.name} obeys the problem's constraints: lift those "
                "that are not the method's own"
            )
        return cls._summed(columns, place)

    @classmethod
    def _summed(cls, problem: Problem, place: Int64) -> Candidates:
        """Value and latency of schedules given by their columns, shape (N, depth)."""
        blocks = np.arange(problem.depth)
        segments = problem.segment_ns[blocks, place].sum(axis=1)
        cuts = np.where(_drops(problem, place), problem.cut_ns[blocks, place], 0).sum(axis=1)
        return cls(
            tokens=problem.counts[place],
            latency_ns=problem.fixed_ns + segments + cuts,
            value=problem.value[blocks, place].sum(axis=1),
        )


def _drops(problem: Problem, place: Int64) -> _Bools:
    before = np.full((len(place), 1), len(problem.counts) - 1, dtype=np.int64)
    drops: _Bools = np.diff(np.concatenate((before, place), axis=1), axis=1) < 0
    return drops


def _allowed(problem: Problem, place: Int64) -> _Bools:
    """Which schedules obey every constraint but the budget."""
    drops, blocks = _drops(problem, place), np.arange(problem.depth)
    allowed: _Bools = drops.sum(axis=1) <= problem.cut_limit
    allowed &= ~drops[:, ~problem.may_drop].any(axis=1)
    allowed &= problem.may_leave[blocks, place].all(axis=1)
    if problem.largest_drop is not None:
        tokens = problem.counts[place]
        falls = np.diff(tokens, axis=1, prepend=problem.full)
        allowed &= (falls >= -problem.largest_drop).all(axis=1)
    return allowed


def fit_latency(problem: Problem, shape: Shape, *, prefix: int = 1) -> Solution:
    """The largest parameter of a shape that meets the latency budget.

    Args:
        problem: what is allowed; its counts and constraints bind the shape too. Where they
            are not the method's own (`earliest_cut` for one that cuts every block), lift
            them first, by `dataclasses.replace`.
        shape: one of `optimizer.baselines.shapes`.
        prefix: tokens at the front that are no patches; ratios are of the others.

    Returns:
        FIXED_RULE, or RULE_FAILED with the shape's fastest schedule.

    Raises:
        ProblemError: as `Candidates.of`.
    """
    found = Candidates.of(problem, shape, prefix=prefix)
    within = np.flatnonzero(found.latency_ns <= problem.budget_ns)
    chosen = within[0] if len(within) else found.latency_ns.argmin()
    return rule_solution(problem, tuple(found.tokens[chosen].tolist()))


def fit_flops(
    problem: Problem,
    shape: Shape,
    workload: Workload,
    *,
    share: float | None = None,
) -> Solution:
    """The largest parameter of a shape whose arithmetic is within a share of the model's.

    So its authors tune it, as if latency followed arithmetic; its latency is then what the
    device makes of it.

    Args:
        problem: as in `fit_latency`.
        shape: likewise.
        workload: what the problem was made from.
        share: of the uncut model's arithmetic; None takes the budget's share of the uncut
            model's latency, as who believes in arithmetic would.

    Returns:
        FIXED_RULE where the budget is met nevertheless, else RULE_FAILED. Where even the
        shape's least arithmetic is more than the share, the schedule of that.

    Raises:
        ProblemError: the share is not a positive number, or problem and workload differ in
            depth or full count; or as `Candidates.of`.
    """
    full = (problem.full,) * problem.depth
    if (problem.full, problem.depth) != (workload.tokens, workload.depth):
        raise ProblemError(
            f"the problem has {problem.depth} blocks of {problem.full} tokens, "
            f"{workload.model} {workload.depth} of {workload.tokens}: both must be the same"
        )
    if share is None:
        share = problem.budget_ns / problem.latency_ns(full)
    if not share > 0:
        raise ProblemError(f"share is {share}: must be above 0")
    found = Candidates.of(problem, shape, prefix=workload.prefix)
    flops = np.array([schedule_flops(workload, row) for row in found.tokens.tolist()])
    within = np.flatnonzero(flops <= share * schedule_flops(workload, full))
    chosen = within[0] if len(within) else flops.argmin()
    return rule_solution(problem, tuple(found.tokens[chosen].tolist()))


def non_dominated(problem: Problem, shape: Shape, *, prefix: int = 1) -> tuple[Solution, ...]:
    """The shape's schedules that none of its others beats in both latency and value.

    `problem.budget_ns` is not looked at; by rising latency.

    Raises:
        ProblemError: as `Candidates.of`.
    """
    found = Candidates.of(problem, shape, prefix=prefix)
    order = np.lexsort((-found.value, found.latency_ns))
    best, solutions = None, []
    for place in order.tolist():
        if best is None or found.value[place] > best:
            best = found.value[place]
            within = problem.with_budget(int(found.latency_ns[place]))
            solutions.append(rule_solution(within, tuple(found.tokens[place].tolist())))
    return tuple(solutions)


def rule_solution(problem: Problem, tokens: tuple[int, ...]) -> Solution:
    """A schedule that a rule chose, its integers recomputed, and no claim beyond them.

    The bound is what no schedule at all is worth more than: each block's greatest value.
    """
    value, latency = problem.value_of(tokens), problem.latency_ns(tokens)
    met = latency <= problem.budget_ns
    bound = int(problem.allowed_only().value.max(axis=1).sum())
    status = Status.FIXED_RULE if met else Status.RULE_FAILED
    return Solution(status, tokens, value, latency, bound)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A shape as a solver: `fit_latency` with the shape filled in.

    >>> counts = np.array([64, 96, 128])
    >>> tables = np.tile(counts, (4, 1))
    >>> one_cut(Problem(counts, tables, tables, tables * 0, 0, 420)).tokens
    (128, 96, 96, 96)
    """

    shape: Shape

    def __call__(
        self,
        problem: Problem,
        *,
        prefix: int = 1,
        time_limit_s: float | None = None,  # noqa: ARG002 (a solver's; a rule takes no time)
    ) -> Solution:
        """The largest parameter that fits; see `fit_latency`."""
        return fit_latency(problem, self.shape, prefix=prefix)


one_cut = Baseline(ONE_CUT)
"""POMT's shape within the budget: one cut at depth // 4, to the largest count that fits."""

equal_ratios = Baseline(EQUAL_RATIOS)
"""EViT's shape within the budget: the largest keep rate that fits."""

fixed_ratios = Baseline(FIXED_RATIOS)
"""DynamicViT's shape within the budget: the largest rate that fits."""

constant_drop = Baseline(CONSTANT_DROP)
"""ToMe's shape within the budget: the fewest tokens dropped in each block that fit."""
