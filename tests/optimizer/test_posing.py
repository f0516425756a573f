"""Every ending is a problem of its own, and the better of their answers is the answer."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latmodel.ending import Ending
from latmodel.table import LatencyTable
from latmodel.workload import Workload
from optimizer.errors import ProblemError
from optimizer.posing import Posed, pose, pose_endings, problem_for, solve_better
from optimizer.problem import Problem
from optimizer.schedule import Schedule
from optimizer.solution import Solution, Status
from optimizer.solvers.exhaustive import exhaustive
from optimizer.solvers.pareto import pareto
from optimizer.value import kept_tokens
from tests.latmodel.strategies import tables
from tests.optimizer.devices import TINY

ENDED = tables().filter(
    lambda table: table.ending is not None and table.ending.prefix < table.counts[0]
)


def workload_of(table: LatencyTable) -> Workload:
    assert table.ending is not None
    values = TINY.to_dict() | {"depth": table.depth, "tokens": int(table.counts[-1])}
    return Workload(**values | {"prefix": table.ending.prefix})  # type: ignore[arg-type]


def schedules(table: LatencyTable, workload: Workload) -> list[Schedule]:
    """Every schedule there is, of either ending."""
    counts = [int(count) for count in table.counts if count > workload.prefix]
    found = []
    for tokens in product(counts, repeat=table.depth):
        for last in {tokens[-1], workload.prefix}:
            whole = (*tokens[:-1], last)
            if list(whole) == sorted(whole, reverse=True) and whole not in found:
                found.append(whole)
    return [Schedule(tokens, workload.tokens, workload.prefix) for tokens in found]


@settings(deadline=None, max_examples=40)
@given(table=ENDED, share=st.floats(0.2, 1.1))
def test_the_better_ending_is_what_trying_everything_finds(
    table: LatencyTable, share: float
) -> None:
    """Value and latency are those of the schedule in the table, whichever way it ends."""
    workload, budget = workload_of(table), int(share * table.dense_ns)
    posed = pose_endings(table, workload, lossless_last=None, budget_ns=budget, earliest_cut=0)
    chosen, solution = solve_better(posed, solver=pareto)
    schedule = chosen.schedule_of(solution)
    assert solution.latency_ns == table.latency_ns(schedule.tokens)
    assert solution.value == sum(schedule.worth)
    every = {s: table.latency_ns(s.tokens) for s in schedules(table, workload)}
    within = {s: ns for s, ns in every.items() if ns <= budget}
    assert (solution.status is Status.OPTIMAL) == bool(within)
    if within:
        best = max((sum(s.worth), -ns) for s, ns in within.items())
        assert (solution.value, -solution.latency_ns) == best
        assert solution.bound == solution.value
    else:
        assert solution.latency_ns == min(every.values())


def ended(**changes: Any) -> tuple[LatencyTable, Workload]:
    """Three blocks at 2, 3 and 4 tokens, by hand; one of them prefix."""
    table = LatencyTable(
        counts=np.array([2, 3, 4]),
        segment_ns=np.array([[20, 30, 40], [20, 30, 40], [10, 15, 20]]),
        cut_ns=np.ones((3, 3), dtype=np.int64),
        fixed_ns=100,
        relative_error=np.zeros(3),
        origin="by hand",
        ending=Ending(prefix=1, segment_ns=np.array([13, 18, 25]), mlp_ns=4),
    )
    return replace(table, **changes), workload_of(table)


def test_the_lossless_problem_by_hand() -> None:
    """Two rows, the second worth twice; the last MLP is fixed."""
    table, workload = ended()
    posed = pose(table, workload, budget_ns=190, lossless_last=True)
    problem = posed.problem
    assert problem.segment_ns.tolist() == [[20, 30, 40], [13, 18, 25]]
    assert problem.value.tolist() == [[2, 3, 4], [4, 6, 8]]
    assert (problem.fixed_ns, problem.least_count, problem.earliest_cut) == (104, 2, 0)
    solution = exhaustive(problem)
    assert (solution.value, solution.latency_ns) == (12, 169)
    assert posed.schedule_of(solution) == Schedule((4, 4, 1), full=4, prefix=1)


def test_a_value_of_ones_own_counts_the_last_two_blocks_together() -> None:
    table, workload = ended()
    value = np.array([[1, 2, 3], [10, 20, 30], [100, 200, 300]])
    problem = pose(table, workload, budget_ns=1, lossless_last=True, value=value).problem
    assert problem.value.tolist() == [[1, 2, 3], [110, 220, 330]]
    whole = pose(table, workload, budget_ns=1, value=value).problem
    assert whole.value.tolist() == value.tolist()


def test_an_ending_that_is_dearer_is_not_taken() -> None:
    """A launch more than it saves: the other keeps as much for less."""
    dear = Ending(prefix=1, segment_ns=np.array([90, 90, 90]), mlp_ns=4)
    table, workload = ended(ending=dear)
    posed = pose_endings(table, workload, lossless_last=None, budget_ns=200)
    chosen, solution = solve_better(posed, solver=pareto)
    assert not chosen.lossless_last
    assert solution.tokens == (4, 4, 4)
    insisted = pose_endings(table, workload, lossless_last=True, budget_ns=300)
    assert solve_better(insisted, solver=pareto)[0].lossless_last


def test_equal_endings_are_settled_by_latency() -> None:
    """Both keep everything at 200; the lossless one takes 169, the other 200."""
    table, workload = ended()
    posed = pose_endings(table, workload, lossless_last=None, budget_ns=200)
    assert [each.lossless_last for each in posed] == [True, False]
    chosen, solution = solve_better(posed, solver=pareto)
    assert (chosen.lossless_last, solution.latency_ns) == (True, 169)


def test_a_table_without_an_ending_has_one_problem() -> None:
    table, workload = ended(ending=None)
    (only,) = pose_endings(table, workload, lossless_last=None, budget_ns=1)
    assert not only.lossless_last
    plain = problem_for(table, workload, budget_ns=1)
    assert only.problem.segment_ns.tolist() == plain.segment_ns.tolist()
    assert plain.value.tolist() == kept_tokens(table.counts, 3).tolist()


def test_no_block_before_the_last_is_no_ending() -> None:
    table, workload = ended(ending=None)
    with pytest.raises(ProblemError) as caught:
        pose(table, workload, budget_ns=1, lossless_last=True)
    assert str(caught.value) == (
        "lossless_last is True: test_vit has no lossless last cut, since there is no block "
        "before its last; leave it out"
    )


def test_what_one_ending_left_open_is_not_proved() -> None:
    """The better answer is proved only if no other may still be worth more."""
    table, workload = ended()
    posed = pose_endings(table, workload, lossless_last=None, budget_ns=200)

    def stopped(problem: Problem, *, time_limit_s: float | None = None) -> Solution:
        solution = pareto(problem, time_limit_s=time_limit_s)
        if problem.depth == 2:
            return solution
        return replace(solution, status=Status.TIME_LIMIT, bound=99)

    assert isinstance(posed[0], Posed)
    _, solution = solve_better(posed, solver=stopped)
    assert (solution.status, solution.bound, solution.value) == (Status.TIME_LIMIT, 99, 12)
