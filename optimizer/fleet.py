"""One schedule for several devices: of greatest value, within the budget of each.

`optimizer.surrogate` makes one budget of all: a bound, and where its schedule meets every
budget, the optimum. Safe schedules are searched between that and the dearest device of each
count. What gap is left HiGHS tries to close, with a row for every budget, until time is up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from optimizer.errors import ProblemError, SolverError
from optimizer.problem import Problem
from optimizer.solution import Status
from optimizer.solvers.pareto import pareto
from optimizer.solving import Solver, solve
from optimizer.surrogate import Floats, Shares, weights_against

__all__ = ["PROOF_S", "FleetSolution", "solve_fleet"]

PROOF_S = 60.0
"""Seconds after which HiGHS is stopped, unless another limit is given."""

_ROUNDS = 24
"""Sums of budgets that are tried at most; two devices need some five."""

_HALVINGS = 6
"""Of the way from the sum to the dearest device: to a 64th."""

_CONSTRAINTS = (
    *("earliest_cut", "max_cuts", "least_count", "multiple_of", "latest_cut", "cut_blocks"),
    *("pinned", "largest_drop"),
)


@dataclass(frozen=True, slots=True)
class FleetSolution:
    """A schedule for several devices, with the integers that prove it.

    Attributes:
        status: how the solve ended; where infeasible, no schedule meets every budget, and
            this one is the least over the worst of them that was found.
        tokens: shape (depth,).
        value: of these tokens.
        bound: no schedule within every budget is worth more; meaningless where INFEASIBLE.
        latency_ns: on each device.
        budget_ns: of each device.
    """

    status: Status
    tokens: tuple[int, ...]
    value: int
    bound: int
    latency_ns: tuple[int, ...]
    budget_ns: tuple[int, ...]

    @property
    def gap(self) -> int:
        """How much more value a better schedule could have at most; 0 where OPTIMAL."""
        return self.bound - self.value

    @property
    def worst(self) -> int:
        """The device that uses most of its budget, by its place."""
        used = [a / b for a, b in zip(self.latency_ns, self.budget_ns, strict=True)]
        return used.index(max(used))


@dataclass(slots=True)
class _Search:
    """The best schedule seen, and the least bound."""

    problems: Sequence[Problem]
    solver: Solver
    ends_s: float
    bound: int
    best: tuple[int, ...] = ()
    infeasible: bool = False
    over: dict[tuple[int, ...], list[float]] = field(default_factory=dict)

    def ask(self, problem: Problem, *, relaxed: bool) -> None:
        """Solve a problem made of all, look at its schedule, and at its bound if it has one."""
        solution = solve(problem, solver=self.solver, time_limit_s=self.left_s)
        self.look(solution.tokens)
        if relaxed:
            self.infeasible |= solution.status is Status.INFEASIBLE
            self.bound = min(self.bound, solution.bound)

    def look(self, tokens: tuple[int, ...]) -> None:
        """Keep a schedule where it is the best so far."""
        pairs = [(p.latency_ns(tokens), p.budget_ns) for p in self.problems]
        self.over[tokens] = [latency / budget - 1 for latency, budget in pairs]
        if not self.best or self.rank(tokens) > self.rank(self.best):
            self.best = tokens

    def value_of(self, tokens: tuple[int, ...]) -> int:
        return self.problems[0].value_of(tokens)

    def meets(self, tokens: tuple[int, ...]) -> bool:
        """Whether a schedule is within every budget, in integers."""
        return all(p.latency_ns(tokens) <= p.budget_ns for p in self.problems)

    def rank(self, tokens: tuple[int, ...]) -> tuple[bool, int, float]:
        """Within every budget, then value, then how far the worst device is over."""
        within = self.meets(tokens)
        return within, self.value_of(tokens) if within else 0, -max(self.over[tokens])

    @property
    def left_s(self) -> float:
        """Seconds until the end, a few at least so that every solve has an answer."""
        return max(self.ends_s - time.monotonic(), 1e-3)

    @property
    def done(self) -> bool:
        if self.infeasible or time.monotonic() >= self.ends_s:
            return True
        return self.meets(self.best) and self.value_of(self.best) >= self.bound

    def answer(self) -> FleetSolution:
        """The best, with what is proved of it."""
        value, status = self.value_of(self.best), Status.TIME_LIMIT
        if not self.meets(self.best):
            status = Status.INFEASIBLE
        elif value >= self.bound:
            status = Status.OPTIMAL
        return FleetSolution(
            status=status,
            tokens=self.best,
            value=value,
            bound=self.bound if status is Status.TIME_LIMIT else value,
            latency_ns=tuple(p.latency_ns(self.best) for p in self.problems),
            budget_ns=tuple(p.budget_ns for p in self.problems),
        )


def solve_fleet(
    problems: Sequence[Problem], *, solver: Solver = pareto, time_limit_s: float = PROOF_S
) -> FleetSolution:
    """Choose the token counts of greatest value that meet every device's budget.

    Args:
        problems: one for each device, alike but for latencies and budgets.
        solver: any function in `optimizer.solvers`, for problems of one budget.
        time_limit_s: stop after about so many seconds.

    Raises:
        ProblemError: there is no problem, they differ in more than that, or a budget or
            the time limit is not above 0.
        SolverError: time was up before a schedule was found or excluded.

    >>> def device(*segment_ns: int) -> Problem:
    ...     return Problem(np.array([1, 2]), np.array([[1, 2]] * 2), np.array([segment_ns] * 2),
    ...         np.zeros((2, 2), dtype=np.int64), 0, 35)
    >>> found = solve_fleet([device(10, 20), device(5, 17)])
    >>> found.status.value, found.tokens, found.latency_ns, found.worst
    ('proved optimal', (2, 1), (30, 22), 0)
    """
    _check(problems, time_limit_s)
    most = int(problems[0].value.max(axis=1).sum())
    search = _Search(problems, solver, time.monotonic() + time_limit_s, most)
    shares = Shares.of(problems)
    weights = _least_bound(search, shares)
    for step in (_halve, _prove):
        if not search.done:
            step(search, shares, weights)
    if not (search.infeasible or search.meets(search.best)):
        raise SolverError(
            f"no schedule was found in {time_limit_s:g} s that meets every budget, nor a proof "
            "that there is none: give more time, or raise the budgets"
        )
    return search.answer()


def _least_bound(search: _Search, shares: Shares) -> Floats:
    """Solve sums of budgets until their bound comes no lower; the weights of the least."""
    count = len(search.problems)
    weights = least = np.full(count, 1 / count)
    for _ in range(_ROUNDS):
        before = search.bound
        search.ask(shares.blended(weights, 0.0), relaxed=True)
        least = weights if search.bound < before else least
        if search.done:
            break
        known = search.value_of(search.best) if search.meets(search.best) else -math.inf
        better = [over for each, over in search.over.items() if search.value_of(each) > known]
        found = weights_against(np.array(better))
        if found is None:
            break
        weights = found
    return least


def _halve(search: _Search, shares: Shares, weights: Floats) -> None:
    """Look for the least part of the way to the dearest that meets every budget."""
    low, high, part = 0.0, 1.0, 1.0
    for _ in range(_HALVINGS + 1):
        problem = shares.blended(weights, part)
        solution = solve(problem, solver=search.solver, time_limit_s=search.left_s)
        search.look(solution.tokens)
        if search.done:
            return
        low, high = (low, part) if search.meets(solution.tokens) else (part, high)
        part = (low + high) / 2


def _prove(search: _Search, *_: object) -> None:
    """Ask HiGHS for anything better, or for a proof that there is nothing."""
    # A quarter of a second that a plan for one device need not wait for.
    from optimizer.solvers.milp import milp_several  # noqa: PLC0415

    above = search.value_of(search.best) if search.meets(search.best) else None
    found = milp_several(search.problems, above=above, time_limit_s=search.left_s)
    if found.tokens is not None:
        search.look(found.tokens)
    if found.bound is None:
        search.infeasible = True
    else:
        search.bound = min(search.bound, found.bound)


def _check(problems: Sequence[Problem], time_limit_s: float) -> None:
    if not problems:
        raise ProblemError("problems is empty: give one for each device")
    if not time_limit_s > 0:  # nor NaN
        raise ProblemError(f"time_limit_s is {time_limit_s}: must be above 0")
    first = problems[0]
    for place, each in enumerate(problems):
        if each.budget_ns < 1:
            raise ProblemError(f"problem {place}: budget_ns is 0: must be 1 or more")
        for name in ("counts", "value"):
            if not np.array_equal(getattr(first, name), getattr(each, name)):
                raise ProblemError(f"problem {place}: {name} differs from problem 0's")
        for name in _CONSTRAINTS:
            if getattr(first, name) != getattr(each, name):
                raise ProblemError(f"problem {place}: {name} differs from problem 0's")
