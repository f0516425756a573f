"""Latencies drawn from an error model: what a budget's confidence is tested against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from latmodel.uncertainty import Uncertainty
from optimizer.problem import Problem

__all__ = ["draws_ns"]


def draws_ns(
    problem: Problem, errors: Uncertainty, tokens: tuple[int, ...], number: int, *, seed: int
) -> npt.NDArray[np.float64]:
    """So many latencies of a schedule, as `Uncertainty` describes them; shape (number,).

    Nothing is shared with `optimizer.tail`: block by block, from the fields as given.
    """
    rng = np.random.default_rng(seed)
    device = rng.standard_normal(number)
    column = {int(count): k for k, count in enumerate(problem.counts)}
    used = sorted({int(errors.groups[column[count]]) for count in (problem.full, *tokens)})
    own = {group: rng.standard_normal(number) for group in used}

    def felt(latency_ns: int, k: int) -> npt.NDArray[np.float64]:
        log = errors.shared[k] * device + errors.independent[k] * own[int(errors.groups[k])]
        drawn: npt.NDArray[np.float64] = latency_ns * np.exp(log)
        return drawn

    total, before = felt(problem.fixed_ns, len(problem.counts) - 1), problem.full
    for block, count in enumerate(tokens):
        k = column[count]
        spent = int(problem.segment_ns[block, k])
        total += felt(spent + (int(problem.cut_ns[block, k]) if count < before else 0), k)
        before = count
    return total
