from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optimizer.frontier
from optimizer.checking import check
from optimizer.errors import ProblemError
from optimizer.frontier import frontier
from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.exhaustive import every_schedule
from optimizer.solvers.pareto import pareto
from tests.optimizer.strategies import problems
from tests.optimizer.test_solvers import staircase


def every_point(problem: Problem) -> list[Solution]:
    """The frontier by its definition: every schedule, those left out that are beaten."""
    points: list[Solution] = []
    schedules = every_schedule(problem)
    seen = [
        (problem.latency_ns(t), -problem.value_of(t), tuple(-c for c in t)) for t in schedules
    ]
    for latency, less, minus in sorted(seen):
        if not points or -less > points[-1].value:
            tokens = tuple(-c for c in minus)
            points.append(Solution(Status.OPTIMAL, tokens, -less, latency, -less))
    return points


@pytest.fixture(params=["tabulated", "swept"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to a frontier; a table that may hold nothing leaves the second."""
    if request.param == "swept":
        monkeypatch.setattr(optimizer.frontier, "_TABLE", 0)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_frontier_equals_trying_everything() -> None:
    """Every point, ties included, and no other."""

    @given(problem=problems())
    @settings(max_examples=700, deadline=None)
    def holds(problem: Problem) -> None:
        points = list(frontier(problem))
        assert points == every_point(problem)
        for point in points:
            assert check(problem.with_budget(point.latency_ns), point) == ()

    holds()


@pytest.mark.usefixtures("way")
def test_ties_between_two_cuts_fall_to_the_later_one() -> None:
    """(3, 1) and (2, 2) keep 4 at equal cost, and both cut at once; (3, 1) keeps more."""
    counts = np.array([1, 2, 3, 9])
    tables = np.tile(counts, (2, 1))
    problem = Problem(counts, tables, tables, np.zeros((2, 4), dtype=np.int64), 0, 0)
    found = frontier(problem).at(4)
    assert found is not None
    assert found.tokens == (3, 1)


@given(problem=problems(), budget=st.integers(0, 100))
@settings(max_examples=300, deadline=None)
def test_frontier_answers_every_budget(problem: Problem, budget: int) -> None:
    """One solve: the last frontier point within a budget is that budget's solution."""
    points, alone = frontier(problem), pareto(problem.with_budget(budget))
    found = points.at(budget)
    if found is not None:
        assert found == alone
    else:
        assert alone.status is Status.INFEASIBLE
        assert points[0].tokens == alone.tokens


@pytest.mark.parametrize("max_cuts", [None, 2])
def test_both_ways_agree_at_full_size(
    max_cuts: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = staircase(12, 197, 1, share=0.7, earliest=3, max_cuts=max_cuts)
    points = frontier(problem)
    for point in points[:: len(points) // 5]:
        assert pareto(problem.with_budget(point.latency_ns)) == point
    monkeypatch.setattr(optimizer.frontier, "_TABLE", 0)
    low, high = (int(points.latency_ns[-share]) for share in (60, 20))
    assert list(frontier(problem, within=(low, high))) == list(points[-60:-19])


@pytest.mark.usefixtures("way")
def test_a_window_holds_the_points_inside() -> None:
    @given(problem=problems(), edges=st.tuples(st.integers(-5, 90), st.integers(-5, 90)))
    @settings(max_examples=300, deadline=None)
    def holds(problem: Problem, edges: tuple[int, int]) -> None:
        low, high = sorted(edges)
        inside = [p for p in frontier(problem) if low <= p.latency_ns <= high]
        assert list(frontier(problem, within=(low, high))) == inside

    holds()


def test_points_are_spread_from_first_to_last() -> None:
    problem = staircase(12, 197, 1, share=0.7, earliest=3)
    everything, some = frontier(problem), frontier(problem, points=7)
    assert len(some) == 7
    assert (some[0], some[-1]) == (everything[0], everything[-1])
    places = np.searchsorted(everything.value, some.value)
    assert set(np.diff(places)) <= {places[1], places[1] - 1, places[1] + 1}
    assert len(frontier(problem, points=10**6)) == len(everything)


def test_no_point_within_a_window_is_an_empty_frontier() -> None:
    problem = staircase(12, 197, 1, share=0.7, earliest=3)
    nothing = frontier(problem, within=(0, 1))
    assert (len(nothing), list(nothing), nothing.at(10**18)) == (0, [], None)


def test_the_arguments_of_a_frontier_are_checked() -> None:
    problem = staircase(12, 197, 1, share=0.7, earliest=3)
    with pytest.raises(ProblemError) as caught:
        frontier(problem, points=1)
    assert str(caught.value) == "points is 1: must be 2 or more, or None for all"
    with pytest.raises(ProblemError) as caught:
        frontier(problem, within=(5, 4))
    assert str(caught.value) == "within is (5, 4): the second must be the first or more"
