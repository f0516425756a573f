"""The best schedule that keeps a latency budget with a given probability.

`optimizer.tail` says what such a schedule must stay below; no sum over blocks is equal to it,
so no solver takes it as it is. But sums lie on both sides of it, and each is an ordinary
problem: without the independent errors it is met by too many schedules, so its optimum is a
bound; with them taken as shared it is met by too few, so its optimum is safe. Between, the part
taken as shared is searched for the best schedule whose own quantile is within the budget.
`optimizer.runs` gives a second, mostly closer bound. Where value and bound are equal the
schedule is proved optimal; else the gap is told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.checking import broken_by
from optimizer.errors import UndecidedError
from optimizer.runs import bound_by_runs
from optimizer.solution import Solution, Status
from optimizer.solvers.pareto import pareto
from optimizer.solving import Solver, solve
from optimizer.tail import Tail

if TYPE_CHECKING:
    from latmodel.uncertainty import Uncertainty
    from optimizer.problem import Problem

__all__ = ["Confident", "fastest_ns", "solve_confident"]

_HALVINGS = 6
"""Of the part of independent errors that is taken as shared: to a 64th."""

_FASTEST = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Parts whose fastest schedules are tried where no other was within the budget."""


@dataclass(frozen=True, slots=True)
class Confident:
    """A schedule that keeps its budget with a given probability, and what that costs.

    Attributes:
        solution: as any; its `latency_ns` is the one expected. INFEASIBLE where no schedule
            keeps the budget with that probability; the tokens are then those of least
            `upper_ns` found.
        upper_ns: what the schedule stays below with that probability.
        plain: the best schedule that is only expected to be within the budget.
    """

    solution: Solution
    upper_ns: int
    plain: Solution

    @property
    def lost(self) -> int:
        """How much value confidence costs; 0 where even the plain budget cannot be met."""
        if self.solution.status is Status.INFEASIBLE:
            return 0
        return self.plain.value - self.solution.value


@dataclass(frozen=True, slots=True)
class _Found:
    """A schedule; one within the budget beats others, then value, then a lower quantile."""

    tokens: tuple[int, ...]
    value: int
    upper_ns: int
    within: bool

    @property
    def rank(self) -> tuple[bool, int, int]:
        return self.within, self.value if self.within else 0, -self.upper_ns


@dataclass(slots=True)
class _Search:
    """The best schedule seen, and the least bound."""

    problem: Problem
    tail: Tail
    solver: Solver
    ends_s: float | None
    best: _Found | None = None
    bound: int = 0

    def ask(self, part: float, *, safe: bool = True, fastest: bool = False) -> Solution:
        """Solve the sum in which a part of the independent errors is shared; look at it."""
        posed = self.tail.inflated(self.problem, part, safe=safe)
        posed = posed.with_budget(0) if fastest else posed
        solution = solve(posed, solver=self.solver, time_limit_s=self.left_s)
        self.look(solution.tokens)
        return solution

    def look(self, tokens: tuple[int, ...]) -> bool:
        """Whether a schedule is within the budget; kept where it is the best."""
        upper = self.tail.upper_ns(self.problem, tokens)
        within = upper <= self.problem.budget_ns
        found = _Found(tokens, self.problem.value_of(tokens), upper, within)
        if self.best is None or found.rank > self.best.rank:
            self.best = found
        return within

    @property
    def found(self) -> _Found:
        """The best schedule seen, of one at least."""
        assert self.best is not None  # noqa: S101 (every search begins by asking)
        return self.best

    @property
    def left_s(self) -> float | None:
        """Seconds until the end, a few at least so that every solve has an answer."""
        return None if self.ends_s is None else max(self.ends_s - time.monotonic(), 1e-3)

    @property
    def late(self) -> bool:
        return self.ends_s is not None and time.monotonic() >= self.ends_s

    @property
    def proved(self) -> bool:
        return self.found.within and self.found.value >= self.bound

    @property
    def done(self) -> bool:
        return self.proved or self.late

    def answer(self, status: Status, plain: Solution) -> Confident:
        """The best, as a solution of the problem."""
        best = self.found
        latency = self.problem.latency_ns(best.tokens)
        bound = best.value if status.proved else self.bound
        solution = Solution(status, best.tokens, best.value, latency, bound)
        return Confident(solution, best.upper_ns, plain)


def solve_confident(
    problem: Problem,
    errors: Uncertainty,
    confidence: float,
    *,
    solver: Solver = pareto,
    time_limit_s: float | None = None,
) -> Confident:
    """Choose the token counts of greatest value that keep the budget with probability.

    Where nothing is independent the answer is exact, by one solve. Else the sums that bound
    it are integers, rounded to the safe side.

    Args:
        problem: what is maximised and what is allowed; its latencies are those expected.
        errors: of the problem's counts.
        confidence: the probability, from 0.5, below 1.
        solver: any exact function in `optimizer.solvers`.
        time_limit_s: stop after about so many seconds; each of some ten solves stops by
            then too. None never stops.

    Raises:
        ProblemError: `confidence` or `time_limit_s` is out of range.
        UndecidedError: no schedule was found, nor that there is none: the budget is within a
            hair of what can be met.

    >>> import numpy as np
    >>> from latmodel.uncertainty import Uncertainty
    >>> from optimizer.problem import Problem
    >>> problem = Problem(np.array([64, 128]), np.array([[64, 128]] * 2),
    ...     np.array([[10, 20]] * 2), np.array([[1, 0]] * 2), 5, 46)
    >>> found = solve_confident(problem, Uncertainty.all_shared(np.full(2, 0.1)), 0.95)
    >>> found.solution.tokens, found.solution.latency_ns, found.upper_ns, found.lost
    ((128, 64), 36, 43, 64)
    """
    tail = Tail.of(errors, confidence)
    ends_s = None if time_limit_s is None else time.monotonic() + time_limit_s
    plain = solve(problem, solver=solver, time_limit_s=time_limit_s)
    search = _Search(problem, tail, solver, ends_s)
    relaxed = search.ask(0.0, safe=False)
    if relaxed.status is Status.INFEASIBLE:
        search.ask(1.0, fastest=True)
        return search.answer(Status.INFEASIBLE, plain)
    search.bound = relaxed.bound
    for step in (_halve, _price_runs, _hurry):
        if not search.done or not search.found.within:
            step(search)
    if not search.found.within:
        said = _undecided(search.found, problem.budget_ns, confidence)
        raise UndecidedError(said, bound=search.bound)
    limit = Status.TIME_LIMIT if search.late else Status.BOUNDED
    return search.answer(Status.OPTIMAL if search.proved else limit, plain)


def fastest_ns(problem: Problem, errors: Uncertainty, confidence: float) -> int:
    """A budget that some schedule keeps with that probability: the least that is known.

    Args:
        problem: as in `solve_confident`, its budget left aside.
        errors: likewise.
        confidence: likewise.

    Raises:
        ProblemError: `confidence` is out of range.
    """
    search = _Search(problem.with_budget(0), Tail.of(errors, confidence), pareto, None)
    for part in _FASTEST:
        search.ask(part, fastest=True)
    return search.found.upper_ns


def _halve(search: _Search) -> None:
    """Look for the least part that, taken as shared, gives a schedule within the budget."""
    low, high, part = 0.0, 1.0, 1.0
    for _ in range(_HALVINGS + 1):
        within = search.look(search.ask(part).tokens)
        if search.done:
            return
        low, high = (low, part) if within else (part, high)
        part = (low + high) / 2


def _price_runs(search: _Search) -> None:
    """Look at the second bound, and at the schedules that lead to it."""
    runs = bound_by_runs(search.problem, search.tail)
    if runs is None:
        return
    search.bound = min(search.bound, runs.bound)
    for tokens in runs.schedules:
        if not broken_by(search.problem, tokens):
            search.look(tokens)


def _hurry(search: _Search) -> None:
    """Look for any schedule within the budget where there is none yet."""
    for part in _FASTEST if not search.found.within else ():
        search.ask(part, fastest=True)


def _undecided(best: _Found, budget_ns: int, confidence: float) -> str:
    return (
        f"budget of {budget_ns} ns at confidence {confidence}: no schedule was found that "
        f"keeps it, nor a proof that there is none; raise it to {best.upper_ns} ns, which "
        f"tokens {best.tokens} keep"
    )
