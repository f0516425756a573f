"""Edges, zones and overshoots are what the benchmark's definitions say, on planted curves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Load = Callable[[str], Any]


@pytest.fixture(scope="module")
def scoring(benchmark_file: Load) -> Any:
    return benchmark_file("probing_scoring")


def planted(benchmark_file: Load, latency_ns: list[int], first: int = 1) -> Any:
    counts = np.arange(first, first + len(latency_ns))
    curve = benchmark_file("probing_curves").Replayed(
        "made up", "made up", counts, np.array(latency_ns), 8
    )
    return benchmark_file("probing_scoring").Truth.of(curve)


def test_steps_up_and_down_last(scoring: Any) -> None:
    latency_ns = np.array([100.0] * 10 + [130.0] * 10 + [110.0] * 10 + [114.0] * 10)
    assert scoring.lasting_edges(latency_ns).tolist() == [9, 19]


def test_spikes_and_ramps_do_not_last(scoring: Any) -> None:
    spike = np.array([100.0] * 10 + [150.0] + [100.0] * 10)
    ramp = 10.0 + np.arange(21)
    assert scoring.lasting_edges(spike).tolist() == []
    assert scoring.lasting_edges(ramp).tolist() == []


def test_levels_that_hardly_differ_do_not_last(scoring: Any) -> None:
    """One low count before a rise of 3 % makes a step of 5.6 %."""
    latency_ns = np.array([100.0] * 9 + [97.5] + [103.0] * 10)
    assert scoring.lasting_edges(latency_ns).tolist() == []


def test_zones_alternate_and_single_steps_do_not(scoring: Any) -> None:
    """Counts 20 to 39 alternate by 10 %: half of the second difference is 10 %."""
    latency_ns = np.full(60, 100.0)
    latency_ns[20:40:2] *= 1.1
    latency_ns[50:] *= 1.5
    found = np.flatnonzero(scoring.chaotic(latency_ns))
    assert set(range(21, 38)) <= set(found.tolist()) <= set(range(18, 42))


def test_edges_in_zones_are_not_looked_for(benchmark_file: Load) -> None:
    zone = [100, 120] * 10 + [200, 240] * 10
    assert planted(benchmark_file, [100] * 20 + zone + [240] * 20).edges == frozenset()


def test_where_counts_are_missing_every_step_beside_counts_is_an_edge(
    benchmark_file: Load,
) -> None:
    curve = benchmark_file("probing_curves").Replayed(
        "made up",
        "made up",
        np.array([8, 9, 16, 17, 32]),
        np.array([100, 150, 300, 303, 900]),
        4,
    )
    assert benchmark_file("probing_scoring").Truth.of(curve).edges == {8}


def test_found_and_false_edges(benchmark_file: Load, scoring: Any) -> None:
    """At 10 a step up of 10 %, at 20 one of 4.5 %, which is neither edge nor false."""
    truth = planted(benchmark_file, [1000] * 10 + [1100] * 10 + [1150] * 10)
    assert truth.edges == {10}
    assert scoring.edge_score(truth, {10: 0.09}) == (1, 1, 0)
    assert scoring.edge_score(truth, {10: 0.045, 20: 0.06}) == (1, 1, 0)
    assert scoring.edge_score(truth, {10: 0.039, 15: 0.049}) == (0, 1, 0)
    assert scoring.edge_score(truth, {10: -0.09, 15: 0.06}) == (0, 1, 2)


def test_a_step_down_is_found_by_a_step_down(benchmark_file: Load, scoring: Any) -> None:
    truth = planted(benchmark_file, [1100] * 10 + [1000] * 10)
    assert scoring.edge_score(truth, {10: -0.09}) == (1, 1, 0)
    assert scoring.edge_score(truth, {10: 0.09}) == (0, 1, 1)


def test_the_truth_scores_full_marks(benchmark_file: Load, scoring: Any) -> None:
    truth = planted(benchmark_file, [1000] * 10 + [1300] * 10 + [2000] * 10)
    true_ns = truth.curve.latency_ns.astype(float)
    claimed = scoring.claimed_edges(truth.curve.counts, true_ns)
    judged = scoring.score(truth, true_ns, claimed=claimed, upper_ns=true_ns)
    assert judged.errors.max() == 0
    assert judged.edges == (2, 2, 0)
    assert judged.covered.all()
    assert set(judged.overshoots) == set(judged.losses) == {0.0}
    # Half of dense is the least that fits: budgets of 50, 55, ... 95 %.
    assert len(judged.losses) == 10


def test_a_curve_that_promises_half_overshoots(benchmark_file: Load, scoring: Any) -> None:
    """Every schedule seems to cost half, so all tokens are kept within any budget above."""
    truth = planted(benchmark_file, [1000] * 10 + [2000] * 10)
    judged = scoring.score(
        truth, truth.curve.latency_ns / 2, upper_ns=truth.curve.latency_ns / 2
    )
    assert not judged.covered.any()
    assert judged.overshoots[-1] == pytest.approx(1 / 0.95 - 1, abs=1e-4)
    assert judged.overshoots[2] == pytest.approx(1, abs=1e-4)  # at 50 %
    assert judged.losses[-1] == 0.0


def test_a_curve_too_slow_plans_nothing(benchmark_file: Load, scoring: Any) -> None:
    truth = planted(benchmark_file, [1000] * 10 + [2000] * 10)
    judged = scoring.score(truth, truth.curve.latency_ns * 10.0)
    assert judged.overshoots == ()
    assert set(judged.losses) == {1.0}
