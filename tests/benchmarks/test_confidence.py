from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from latmodel.uncertainty import Uncertainty
from tests.optimizer.drawing import draws_ns
from tests.optimizer.test_solvers import staircase


def test_the_share_of_draws_is_that_of_drawing_block_by_block(
    benchmark_file: Callable[[str], Any],
) -> None:
    """Vectorised by counts, against the slow way; groups move together in both."""
    bench = benchmark_file("confidence")
    tokens = (197,) * 3 + (150,) * 5 + (149,) * 4
    errors = Uncertainty(
        shared=np.full(197, 0.02),
        independent=np.full(197, 0.05),
        groups=np.arange(197) // 10,
    )
    problem = staircase(12, 197, 0, share=0.8, earliest=3)
    problem = replace(problem, budget_ns=int(1.03 * problem.latency_ns(tokens)))
    slow = np.mean(draws_ns(problem, errors, tokens, 200_000, seed=3) <= problem.budget_ns)
    assert abs(bench.drawn_share(problem, errors, tokens) - slow) < 0.02
    alone = replace(errors, groups=np.arange(197))
    assert bench.drawn_share(problem, alone, tokens) > slow + 0.005
