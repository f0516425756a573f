"""The table of every total answers each budget as the solver that ships does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.problem import Problem
from optimizer.solution import Status
from optimizer.solving import solve


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    options=st.dictionaries(st.integers(1, 40), st.integers(1, 1000), min_size=1, max_size=12),
    depth=st.integers(1, 5),
    share=st.floats(0.05, 1.3),
)
def test_schedules_keep_as_many_tokens_as_the_solver(
    benchmark_file: Callable[[str], Any], options: dict[int, int], depth: int, share: float
) -> None:
    counts = np.array(sorted(options))
    latency_ns = np.array([options[count] for count in counts.tolist()])
    budget = int(share * depth * int(latency_ns.max()))
    segment = np.tile(latency_ns, (depth, 1))
    problem = Problem(
        counts, np.tile(counts, (depth, 1)), segment, np.zeros_like(segment), 0, budget
    )
    best = solve(problem)
    [places] = benchmark_file("probing_schedules").schedules(
        counts, latency_ns, [budget], depth
    )
    if best.status is Status.INFEASIBLE:
        assert places is None
        return
    tokens = tuple(counts[places].tolist())
    assert sum(tokens) == best.value
    assert problem.latency_ns(tokens) <= budget  # which falls, else this raises nothing
    assert list(tokens) == sorted(tokens, reverse=True)


def test_fractions_of_a_nanosecond_are_rounded_up(
    benchmark_file: Callable[[str], Any],
) -> None:
    """Two blocks of 10.1 ns each do not fit into 21 ns of whole nanoseconds."""
    schedules = benchmark_file("probing_schedules").schedules
    answers = schedules(np.array([1, 2]), np.array([5.0, 10.1]), [21, 22], 2)
    assert [places.tolist() for places in answers] == [[1, 0], [1, 1]]
