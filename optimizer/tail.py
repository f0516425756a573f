"""The latency that a schedule stays below with a given probability.

Latency is log-normal, as `latmodel.curve.Curve.upper_ns` has it. Let ``T_g`` be what a
schedule runs at the counts of group ``g``; what no cut changes belongs to the full count. With
``s`` the part of the error that all counts share and ``i_g`` each group's own,

    latency = exp(s Z) * sum_g T_g exp(i_g Z_g),    Z and all Z_g standard normal,

and the quantile at ``z`` standard deviations is taken to be

    upper = T exp(z sqrt(s^2 + sum_g (T_g j_g)^2 / T^2)),    T = sum_g T_g exp(i_g^2 / 2),

where ``j^2 = exp(i^2) - 1`` is the variance of one group's factor. This is no less than Fenton
and Wilkinson's log-normal of equal mean and variance; for errors that are shared alone it is
exact, and for a single count it is `Curve.upper_ns`, or more by a factor ``exp(i^2 / 2)``.
Where counts differ in their shared part, the least of them is ``s`` and the rest is taken at
its own quantile beforehand, which is exact if nothing is independent and else more.

Two things make it fit for a solver. It only rises with every latency, and it lies between
two sums over blocks: the one without independent errors and the one in which they are shared.

Source: Fenton 1960, doi:10.1109/TCOM.1960.1097606.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optimizer.errors import ProblemError

if TYPE_CHECKING:
    from latmodel.uncertainty import Uncertainty
    from optimizer.problem import Int64, Problem

__all__ = ["Tail"]

_Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-12
"""More than any of these sums and functions is off by in double precision, as a fraction."""

_ROOM_BITS = 40
"""Latencies are counted in fractions of a nanosecond, as fine as sums below 2**40 allow; finer,
and a solver that prices them in integers would have no digits left for its prices."""


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The error model of a latency table at one confidence.

    Attributes:
        sigmas: standard deviations that belong to the confidence.
        shared: of the error that all counts have in common.
        weights: shape (C,), by which a latency enters ``T``.
        own: shape (C,), ``j`` of each count.
        groups: shape (C,), which counts share one independent error, numbered from 0.
    """

    sigmas: float
    shared: float
    weights: _Floats
    own: _Floats
    groups: Int64

    @classmethod
    def of(cls, errors: Uncertainty, confidence: float) -> Tail:
        """The tail of such errors.

        Args:
            errors: by count, those of a latency table.
            confidence: the probability to stay below, from 0.5, below 1.

        Raises:
            ProblemError: `confidence` is out of range.
        """
        if not 0.5 <= confidence < 1:  # nor NaN
            raise ProblemError(
                f"confidence is {confidence}: must be 0.5 or more and below 1, such as 0.95"
            )
        sigmas, least = NormalDist().inv_cdf(confidence), float(errors.shared.min())
        squares = errors.independent**2
        return cls(
            sigmas=sigmas,
            shared=least,
            weights=np.exp(sigmas * (errors.shared - least) + squares / 2),
            own=np.sqrt(np.expm1(squares)),
            groups=np.unique(errors.groups, return_inverse=True)[1].astype(np.int64),
        )

    def upper_ns(self, problem: Problem, tokens: tuple[int, ...]) -> int:
        """The quantile of a schedule, in whole nanoseconds, rounded up.

        Args:
            problem: whose counts the errors belong to.
            tokens: shape (depth,), counts of the problem.

        Raises:
            ProblemError: a count is unknown, or there is not one per block.
        """
        taken = problem.latency_by_count(tokens) * self.weights
        total = float(taken.sum())
        if not total:
            return 0
        own = np.zeros(int(self.groups[-1]) + 1)
        np.add.at(own, self.groups, taken * self.own)
        deviation = math.hypot(self.shared, float(np.sqrt(np.sum(own**2))) / total)
        factor = math.exp(self.sigmas * deviation)
        if factor == 1 and np.all(self.weights == 1):
            return int(total)  # nothing was rounded
        return math.ceil(total * factor * (1 + _ROUNDING))

    def factors(self, part: float) -> _Floats:
        """What each count's latency is multiplied by, shape (C,), for a sum over blocks.

        Args:
            part: of the independent errors, how much is taken as shared: at 0 no schedule's
                sum is above its quantile, at 1 none is below.
        """
        deviations = np.hypot(self.shared, part * self.own)
        factors: _Floats = self.weights * np.exp(self.sigmas * deviations)
        return factors

    def inflated(self, problem: Problem, part: float, *, safe: bool) -> Problem:
        """The problem in which latencies are multiplied by `factors`, and count finer.

        Args:
            problem: whose counts the errors belong to.
            part: as in `factors`.
            safe: round latencies up, so that no sum is below what it stands for; else down.

        Raises:
            ProblemError: inflated latencies sum to 2**60 or more.
        """
        factors = self.factors(part)
        longest = (problem.segment_ns + problem.cut_ns).max(axis=1).sum() + problem.fixed_ns
        most = max(float(longest) * float(factors.max()), float(problem.budget_ns), 1.0)
        unit = 1 << max(0, _ROOM_BITS - math.ceil(math.log2(most)) - 1)

        def scaled(latency_ns: Int64 | int, by: _Floats | float) -> Int64:
            exact = np.asarray(latency_ns, dtype=np.float64) * by * unit
            rounded = np.ceil(exact * (1 + _ROUNDING)) if safe else exact * (1 - _ROUNDING)
            return np.floor(rounded).astype(np.int64)

        return replace(
            problem,
            segment_ns=scaled(problem.segment_ns, factors),
            cut_ns=scaled(problem.cut_ns, factors),
            fixed_ns=int(scaled(problem.fixed_ns, float(factors[-1]))),
            budget_ns=problem.budget_ns * unit,
        )
