"""Hypothesis strategies: problems small enough to try every schedule of."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

from optimizer.problem import Problem
from optimizer.solvers.exhaustive import every_schedule

__all__ = ["problems", "schedules"]


@st.composite
def problems(draw: st.DrawFn, *, depths: int = 4, options: int = 5) -> Problem:
    """Any problem: latencies that fall and jump, values of any sign, every constraint."""
    # Drawn evenly: left to itself hypothesis prefers problems with nothing to choose.
    depth = draw(st.sampled_from(range(1, depths + 1)))
    least = draw(st.sampled_from(range(1, options + 1)))
    counts = sorted(draw(st.sets(st.integers(1, 24), min_size=least, max_size=options)))
    shape = (depth, len(counts))

    def table(low: int, high: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        size = shape[0] * shape[1]
        numbers = draw(st.lists(st.integers(low, high), min_size=size, max_size=size))
        return np.array(numbers, dtype=np.int64).reshape(shape)

    kept = np.tile(np.array(counts, dtype=np.int64), (depth, 1))
    segments = table(0, 20)
    fixed = draw(st.integers(0, 9))
    problem = Problem(
        counts=np.array(counts),
        value=kept if draw(st.booleans()) else table(-4, 12),
        segment_ns=segments,
        cut_ns=table(0, 6),
        fixed_ns=fixed,
        # Around what can be met, so that both outcomes and tight budgets come up often.
        budget_ns=max(
            0, fixed + draw(st.sampled_from(range(-3, int(segments.max(axis=1).sum()) + 9)))
        ),
        earliest_cut=draw(_mostly(0, st.integers(0, depth))),
        max_cuts=draw(_often(None, st.sampled_from(range(depth + 1)))),
        least_count=draw(_mostly(1, st.integers(1, counts[-1]))),
        multiple_of=draw(_mostly(1, st.integers(2, 3))),
        cut_blocks=draw(_mostly(None, _ascending(range(depth)))),
        largest_drop=draw(_often(None, st.integers(1, 16))),
    )
    latest = draw(_mostly(None, st.integers(0, depth)))
    if latest is not None and latest >= problem.earliest_cut:
        problem = replace(problem, latest_cut=latest)
    return _pinned(draw, problem)


_T = TypeVar("_T")


def _mostly(usual: _T, others: st.SearchStrategy[_T]) -> st.SearchStrategy[_T]:
    """No constraint in two cases of three: of many at once few schedules would be left."""
    return st.sampled_from((True, True, False)).flatmap(
        lambda plain: st.just(usual) if plain else others
    )


def _often(usual: _T, others: st.SearchStrategy[_T]) -> st.SearchStrategy[_T]:
    """A constraint in one case of two, for those that leave many schedules."""
    return st.booleans().flatmap(lambda plain: st.just(usual) if plain else others)


def _ascending(choices: range, *, least: int = 0) -> st.SearchStrategy[tuple[int, ...]]:
    chosen = st.sets(st.sampled_from(choices), min_size=least)
    return chosen.map(lambda some: tuple(sorted(some)))


def _pinned(draw: st.DrawFn, problem: Problem) -> Problem:
    """Pins that a schedule of the problem obeys, so that they contradict nothing."""
    blocks = draw(_often((), _ascending(range(problem.depth), least=1)))
    if not blocks:
        return problem
    tokens = draw(st.sampled_from(list(every_schedule(problem))))
    return replace(problem, pinned=tuple((block, tokens[block]) for block in blocks))


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
