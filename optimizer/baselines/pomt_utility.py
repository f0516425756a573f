"""The published rule of POMT: one count, by a weighted sum of speed and accuracy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optimizer.baselines.fitting import rule_solution
from optimizer.errors import ProblemError
from optimizer.problem import Problem
from optimizer.solution import Solution

__all__ = ["pomt_utility"]


def pomt_utility(
    problem: Problem,
    accuracy: Mapping[int, float],
    *,
    alpha: float = 0.5,
    surplus: int = 0,
) -> Solution:
    """One cut at depth // 4, to the count of greatest utility; no budget is looked at.

    ``U(n) = alpha (1 - L(n) / max L) + (1 - alpha) A(n) / max A``, where L(n) is the
    latency with `n` tokens in every segment, a cut before block 0 but for the first
    attention, which a latency table holds at the full count.

    Args:
        problem: its counts and latencies; of its constraints only the allowed counts.
        accuracy: A(n), any unit: what the model gets right when all but `n` tokens, prefix
            included, are dropped at random before block 0. By count; others are not
            considered. At least one.
        alpha: the weight of speed, 0 to 1.
        surplus: tokens that run beyond the count chosen. The authors' code has 2: it chose
            139 and ran 141.

    Returns:
        FIXED_RULE where its latency, which `latency_ns` says, is within the budget, else
        RULE_FAILED. Of equal utility the larger count.

    Raises:
        ProblemError: a count is none of the problem's, an accuracy is negative or no
            number, none is above 0, or `alpha` or `surplus` is out of range.

    Source:
        Eliopoulos et al. 2025, arXiv:2407.05941.

    >>> counts = np.array([64, 96, 128])
    >>> tables = np.tile(counts, (4, 1))
    >>> problem = Problem(counts, tables, tables, tables * 0, 0, 420)
    >>> found = pomt_utility(problem, {64: 50, 96: 79, 128: 80})
    >>> found.tokens, found.latency_ns
    ((128, 96, 96, 96), 416)
    """
    allowed = set(problem.counts[problem.allowed].tolist())
    _check(problem, allowed, accuracy, alpha, surplus)
    counts = np.array(sorted(accuracy, reverse=True))
    columns = np.searchsorted(problem.counts, counts)
    latency = problem.fixed_ns + problem.segment_ns[:, columns].sum(axis=0)
    right = np.array([accuracy[count] for count in counts.tolist()], dtype=np.float64)
    utility = alpha * (1 - latency / max(int(latency.max()), 1))
    utility = utility + (1 - alpha) * right / right.max()
    chosen = min(int(counts[utility.argmax()]) + surplus, problem.full)
    if chosen not in allowed:
        raise ProblemError(
            f"surplus is {surplus}: {chosen} tokens would run, none of the problem's "
            "allowed counts"
        )
    first = problem.depth // 4
    tokens = (problem.full,) * first + (chosen,) * (problem.depth - first)
    return rule_solution(problem, tokens)


def _check(
    problem: Problem,
    allowed: set[int],
    accuracy: Mapping[int, float],
    alpha: float,
    surplus: int,
) -> None:
    strange = sorted(set(accuracy) - allowed)
    if strange:
        raise ProblemError(
            f"accuracy holds {strange[0]} tokens: must be one of the problem's allowed "
            f"counts, {min(allowed)} to {problem.full}"
        )
    if not accuracy or not all(0 <= right < np.inf for right in accuracy.values()):
        raise ProblemError("accuracy must hold a number of 0 or more for at least one count")
    if not max(accuracy.values()) > 0:
        raise ProblemError("accuracy is 0 at every count: no utility follows from it")
    if not 0 <= alpha <= 1:
        raise ProblemError(f"alpha is {alpha}: must be 0 to 1")
    if surplus < 0:
        raise ProblemError(f"surplus is {surplus}: must be 0 or more")
