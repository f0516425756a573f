"""Hypothesis strategies: problems small enough to try every schedule of."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from optimizer.problem import Problem

__all__ = ["problems", "schedules"]


@st.composite
def problems(draw: st.DrawFn, *, depths: int = 4, options: int = 5) -> Problem:
    """Any problem: latencies that fall and jump, values of any sign, every constraint."""
    depth = draw(st.integers(1, depths))
    counts = sorted(draw(st.sets(st.integers(1, 24), min_size=1, max_size=options)))
    shape = (depth, len(counts))

    def table(low: int, high: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        size = shape[0] * shape[1]
        numbers = draw(st.lists(st.integers(low, high), min_size=size, max_size=size))
        return np.array(numbers, dtype=np.int64).reshape(shape)

    kept = np.tile(np.array(counts, dtype=np.int64), (depth, 1))
    segments = table(0, 20)
    fixed = draw(st.integers(0, 9))
    return Problem(
        counts=np.array(counts),
        value=kept if draw(st.booleans()) else table(-4, 12),
        segment_ns=segments,
        cut_ns=table(0, 6),
        fixed_ns=fixed,
        # Around what can be met, so that both outcomes and tight budgets come up often.
        budget_ns=max(0, fixed + draw(st.integers(-3, int(segments.max(axis=1).sum()) + 8))),
        earliest_cut=draw(st.integers(0, depth)),
        max_cuts=draw(st.none() | st.integers(0, depth)),
        least_count=draw(st.integers(1, counts[-1])),
        multiple_of=draw(st.integers(1, 3)),
    )


@st.composite
def schedules(draw: st.DrawFn, problem: Problem) -> tuple[int, ...]:
    """Any sequence of the problem's counts that never rises, constraints left aside."""
    picks = draw(
        st.lists(
            st.sampled_from([int(c) for c in problem.counts]),
            min_size=problem.depth,
            max_size=problem.depth,
        )
    )
    return tuple(sorted(picks, reverse=True))
