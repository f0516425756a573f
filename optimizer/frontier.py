"""Every budget at once: all schedules that are optimal for some budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from optimizer.errors import ProblemError
from optimizer.problem import Int64, Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.points import Points
from optimizer.solvers.sweeping import swept
from optimizer.solvers.tabulating import entries, tabulated

__all__ = ["Frontier", "frontier"]

_TABLE = 1 << 26
"""A table of so many entries, 512 MB, is filled faster than stretches are swept."""


@dataclass(frozen=True, slots=True, eq=False)
class Frontier(Sequence[Solution]):
    """Solutions by rising latency and value, none beaten in both by any schedule.

    Between two neighbours no budget gives more than the first of them. A `Solution` is
    built where it is looked at; for many points use the arrays.

    Attributes:
        latency_ns: shape (N,).
        value: shape (N,).
        tokens: shape (N, depth).
    """

    latency_ns: Int64
    value: Int64
    tokens: Int64

    def __len__(self) -> int:
        return len(self.value)

    @overload
    def __getitem__(self, place: int) -> Solution: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Solution, ...]: ...

    def __getitem__(self, place: int | slice) -> Solution | tuple[Solution, ...]:
        if isinstance(place, slice):
            return tuple(self[k] for k in range(*place.indices(len(self))))
        value, tokens = int(self.value[place]), tuple(self.tokens[place].tolist())
        return Solution(Status.OPTIMAL, tokens, value, int(self.latency_ns[place]), value)

    def __iter__(self) -> Iterator[Solution]:
        return (self[place] for place in range(len(self)))

    def at(self, budget_ns: int) -> Solution | None:
        """The best solution of at most so many nanoseconds; None where there is none."""
        place = int(np.searchsorted(self.latency_ns, budget_ns, side="right"))
        return self[place - 1] if place else None


def frontier(
    problem: Problem, *, points: int | None = None, within: tuple[int, int] | None = None
) -> Frontier:
    """Every solution that is optimal for some budget, by rising latency.

    `problem.budget_ns` is not looked at. A frontier has up to one point per value: for
    kept tokens up to ``depth * (full - least)``, about 600 to 2300 on 12 blocks of 197
    tokens and some 50,000 on 40 blocks of 1370, which take minutes; there, give `within`.

    Args:
        problem: what is maximised and what is allowed.
        points: at most so many of them, spread evenly, the first and the last included;
            None for all.
        within: only points of latencies from the first to the second, in ns.

    Raises:
        ProblemError: `points` is below 2, or `within` does not ascend.

    >>> problem = Problem(np.array([1, 2]), np.array([[1, 2]] * 2),
    ...     np.array([[10, 20]] * 2), np.array([[5, 0]] * 2), 3, 18)
    >>> [(point.latency_ns, point.tokens) for point in frontier(problem)]
    [(28, (1, 1)), (38, (2, 1)), (43, (2, 2))]
    """
    if points is not None and points < 2:
        raise ProblemError(f"points is {points}: must be 2 or more, or None for all")
    if within is not None and within[0] > within[1]:
        raise ProblemError(f"within is {within}: the second must be the first or more")
    columns = problem.allowed_only()
    if columns.largest_drop is None and entries(columns) <= _TABLE:
        found = _cropped(tabulated(columns), within)
    else:
        found = _swept(columns, within)
    if points is not None and len(found.value) > points:
        found = _picked(found, np.linspace(0, len(found.value) - 1, points).round().astype(int))
    return Frontier(found.latency_ns, found.value, found.tokens)


def _swept(problem: Problem, within: tuple[int, int] | None) -> Points:
    longest = int((problem.segment_ns + problem.cut_ns).max(axis=1).sum()) + problem.fixed_ns
    low, high = within or (0, longest)
    parts = list(swept(problem.with_budget(max(min(high, longest), 0)), low))[::-1]
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Points(nothing, nothing, np.zeros((0, problem.depth), dtype=np.int64))
    return Points(
        np.concatenate([part.latency_ns for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.tokens for part in parts]),
    )


def _cropped(points: Points, within: tuple[int, int] | None) -> Points:
    if within is None:
        return points
    inside = (within[0] <= points.latency_ns) & (points.latency_ns <= within[1])
    return _picked(points, np.flatnonzero(inside))


def _picked(points: Points, places: Int64) -> Points:
    return Points(points.latency_ns[places], points.value[places], points.tokens[places])
