"""Several latency budgets as one: a weighted sum of them, or the dearest of them.

Each device's latency is counted as a share of its budget. Any weighted sum of the shares is
at most the sum of the weights where every budget is met, so the problem of the sum is met by
too many schedules, and its optimum is a bound; if it meets every budget, it is the optimum.
The problem in which every block takes the largest of its shares is met by too few.

The weights that give the least bound are found as Karwan and Rardin do: a linear program asks
for weights under which none of the schedules found so far would be allowed again.

Source: Karwan and Rardin 1979, doi:10.1007/BF01588233.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from optimizer.problem import Int64, Problem

__all__ = ["Floats", "Shares", "weights_against"]

Floats = npt.NDArray[np.float64]

_WHOLE = 1 << 40
"""A whole budget; shares are counted in parts of it."""

_ROUNDING = 1e-12
"""More than a sum of shares is off by in double precision, as a fraction."""


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """What every block costs on every device, as shares of their budgets.

    Attributes:
        problem: any device's: values and constraints, which all have in common.
        segments: shape (devices, depth, C).
        cuts: the same.
        fixed: shape (devices,).
    """

    problem: Problem
    segments: Floats
    cuts: Floats
    fixed: Floats

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Shares:
        """Those of several problems, each with a budget above 0."""
        return cls(
            problem=problems[0],
            segments=np.stack([each.segment_ns / each.budget_ns for each in problems]),
            cuts=np.stack([each.cut_ns / each.budget_ns for each in problems]),
            fixed=np.array([each.fixed_ns / each.budget_ns for each in problems]),
        )

    def blended(self, weights: Floats, part: float) -> Problem:
        """The sum of the weighted shares, and a part of the way to the largest of them.

        Args:
            weights: shape (devices,), 0 or more; their sum is 1.
            part: 0 for the sum, whose optimum bounds that of all budgets together; 1 for
                the largest, whose schedules meet every budget.
        """
        segments, cuts, fixed = (
            _blend(np.tensordot(weights, share, axes=1), share.max(axis=0), part)
            for share in (self.segments, self.cuts, self.fixed)
        )
        return replace(
            self.problem,
            segment_ns=segments,
            cut_ns=cuts,
            fixed_ns=int(fixed),
            budget_ns=int(np.ceil(_WHOLE * max(1.0, float(weights.sum())))),
        )


def _blend(mean: Floats, largest: Floats, part: float) -> Int64:
    exact = (mean + part * (largest - mean)) * _WHOLE
    rounded = np.floor(exact * (1 - _ROUNDING)) if part == 0 else np.ceil(exact)
    return np.asarray(rounded).astype(np.int64)


def weights_against(excess: Floats) -> Floats | None:
    """Weights under which every one of some schedules is over the summed budget.

    Args:
        excess: shape (schedules, devices), by how much of its budget each device is over.

    Returns:
        Shape (devices,), their sum 1; None where there are none.

    >>> weights_against(np.array([[0.2, -0.1]])).tolist()
    [1.0, 0.0]
    >>> weights_against(np.array([[0.2, -0.3], [-0.3, 0.2]])) is None
    True
    """
    # A quarter of a second that a plan for one device need not wait for.
    from scipy.optimize import linprog  # noqa: PLC0415

    count = excess.shape[1]
    found = linprog(
        np.append(np.zeros(count), -1.0),
        A_ub=np.hstack([-excess, np.ones((len(excess), 1))]),
        b_ub=np.zeros(len(excess)),
        A_eq=np.append(np.ones(count), 0.0)[None, :],
        b_eq=[1.0],
        bounds=[(0, None)] * count + [(None, None)],
    )
    if found.x is None or not found.x[-1] > 0:
        return None
    weights = np.clip(found.x[:-1], 0.0, None)
    normed: Floats = weights / weights.sum()
    return normed
