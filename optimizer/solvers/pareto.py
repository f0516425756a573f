"""The default solver: grow every schedule that is not beaten, from the last block back.

The state before block ``i`` is the count that reaches it (and the cuts still allowed). For
each state we keep the ends of schedules, blocks ``i`` to the last, that no other end beats
in both latency and value: a front. The fronts of block ``i + 1`` give those of block ``i``
by one of two moves, keep the count or cut to a smaller one. The front of block 0 then
holds, for every value that can be had, the least latency: it answers every budget.

For one budget, `bounding` tells which ends cannot become the best schedule; they are left
out, which is what makes a solve take milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.errors import SolverError
from optimizer.problem import Int64, Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.bounding import Bounds, Relaxation, bounds_for, no_bounds, relax

__all__ = ["frontier", "pareto"]


@dataclass(frozen=True, slots=True, eq=False)
class _Front:
    """Ends of schedules, both latency and value strictly ascending; each shape (L,).

    `column` is the count that the first block of the end keeps.
    """

    latency_ns: Int64
    value: Int64
    column: Int64

    def only(self, chosen: npt.NDArray[np.bool_]) -> _Front:
        if chosen.all():
            return self
        return _Front(self.latency_ns[chosen], self.value[chosen], self.column[chosen])


_NO_END = _Front(*(np.empty(0, dtype=np.int64) for _ in range(3)))
_EMPTY_END = _Front(*(np.zeros(1, dtype=np.int64) for _ in range(3)))

_Fronts = list[list[list[_Front]]]
"""By block, cuts still allowed, and column of the count that reaches the block."""


def pareto(problem: Problem) -> Solution:
    """The schedule of greatest value within the budget, proved; ties as `Solution` says."""
    columns = problem.allowed_only()
    relaxation = relax(columns)
    if isinstance(relaxation, int):
        fastest = columns.with_budget(problem.fixed_ns + relaxation)
        tokens = pareto(fastest).tokens
        value, latency = problem.value_of(tokens), problem.latency_ns(tokens)
        return Solution(Status.INFEASIBLE, tokens, value, latency, value)
    tokens = _aim(columns, relaxation)
    value, latency = problem.value_of(tokens), problem.latency_ns(tokens)
    return Solution(Status.OPTIMAL, tokens, value, latency, value)


def _aim(problem: Problem, relaxation: Relaxation) -> tuple[int, ...]:
    """The best schedule, sought from the upper bound down.

    All schedules worth the value aimed at or more survive the bounds, so the first aim
    that finds one finds the best; and an aim too high fails fast, since little survives.
    """
    gap = relaxation.upper - relaxation.incumbent
    for part in (32, 16, 8, 6, 4, 3, 2, 1):
        aim = relaxation.upper - gap // part
        fronts = _grow(problem, bounds_for(problem, relaxation, aim))
        first = fronts[0][-1][-1]
        if len(first.value) and first.value[-1] >= aim:
            return _read(problem, fronts, len(first.value) - 1)
    raise SolverError(
        "the incumbent was not found again: a defect of this solver, please report it"
    )


def frontier(problem: Problem) -> tuple[Solution, ...]:
    """Every schedule that is optimal for some budget, by rising latency.

    `problem.budget_ns` is not looked at. Between two neighbours no budget gives more.
    """
    columns = problem.allowed_only()
    fronts = _grow(columns, no_bounds(columns))
    solutions = []
    for end in range(len(fronts[0][-1][-1].value)):
        tokens = _read(columns, fronts, end)
        value, latency = problem.value_of(tokens), problem.latency_ns(tokens)
        solutions.append(Solution(Status.OPTIMAL, tokens, value, latency, value))
    return tuple(solutions)


def _grow(problem: Problem, bounds: Bounds) -> _Fronts:
    width, limited = len(problem.counts), problem.max_cuts is not None
    layers = problem.cut_limit + 1 if limited else 1
    fronts: _Fronts = [[[_EMPTY_END] * width for _ in range(layers)]]
    for i in reversed(range(problem.depth)):
        grown = []
        for layer in range(layers):
            # Without a limit a cut stays in its layer; with none left there is no cut.
            below = layer - 1 if limited else layer
            can_cut = below >= 0 and i >= problem.earliest_cut
            grown.append(
                _block(problem, bounds, fronts[0], i, layer, below if can_cut else None)
            )
        fronts.insert(0, grown)
    return fronts


def _block(
    problem: Problem,
    bounds: Bounds,
    after: list[list[_Front]],
    i: int,
    layer: int,
    below: int | None,
) -> list[_Front]:
    """The fronts before block ``i``, by the column that reaches it."""
    cuts = _NO_END  # ends that begin with a cut to any column below p
    fronts = []
    for p in range(len(problem.counts)):
        stay = _NO_END
        if bounds.may_keep[i, layer, p]:
            start = int(bounds.keeping[i, layer, p])
            stay = _put(problem, bounds, i, p, after[layer][p], start, 0)
        fronts.append(_merge(stay, cuts))
        if below is not None and bounds.may_cut[i, below, p]:
            start, cut_ns = int(bounds.cutting[i, below, p]), int(problem.cut_ns[i, p])
            cuts = _merge(_put(problem, bounds, i, p, after[below][p], start, cut_ns), cuts)
    return fronts


def _put(
    problem: Problem, bounds: Bounds, i: int, p: int, ends: _Front, start: int, cut_ns: int
) -> _Front:
    """Block ``i`` at column ``p`` put before each of `ends`; the hopeless left out."""
    latency = ends.latency_ns + (int(problem.segment_ns[i, p]) + cut_ns)
    value = ends.value + int(problem.value[i, p])
    moved = _Front(latency, value, np.full(len(value), p, dtype=np.int64))
    return moved.only(bounds.hopeful(value, latency, start))


def _merge(first: _Front, second: _Front) -> _Front:
    """The ends of both that no other beats; of two equal ends the one of `first`.

    `first` holds the larger columns, so ties fall to the later cut.
    """
    if not len(second.value):
        return first
    if not len(first.value):
        return second
    latency = np.concatenate((first.latency_ns, second.latency_ns))
    value = np.concatenate((first.value, second.value))
    column = np.concatenate((first.column, second.column))
    # A stable sort of two ascending runs is one merge, and keeps `first` before its equal.
    order = np.argsort(latency, kind="stable")
    latency, value = latency[order], value[order]
    best_before = np.maximum.accumulate(value)
    better = np.empty(len(value), dtype=bool)
    better[0] = True
    np.greater(value[1:], best_before[:-1], out=better[1:])
    latency, value, column = latency[better], value[better], column[order][better]
    # Of equal latency the last has the greatest value.
    last = np.append(latency[1:] != latency[:-1], True)
    return _Front(latency, value, column).only(last)


def _read(problem: Problem, fronts: _Fronts, end: int) -> tuple[int, ...]:
    """The schedule of one end of the first front, followed from front to front."""
    layer, p = len(fronts[0]) - 1, len(problem.counts) - 1
    latency = int(fronts[0][layer][p].latency_ns[end])
    tokens = []
    for i in range(problem.depth):
        front = fronts[i][layer][p]
        place = int(np.searchsorted(front.latency_ns, latency))
        k = int(front.column[place])
        latency -= int(problem.segment_ns[i, k])
        if k < p:
            latency -= int(problem.cut_ns[i, k])
            layer -= int(problem.max_cuts is not None)
        tokens.append(int(problem.counts[k]))
        p = k
    return tuple(tokens)
