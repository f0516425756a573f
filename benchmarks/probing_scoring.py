"""How good a predicted curve is: its errors, its edges, its bound, and its schedules.

The definitions stand in `probing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from probing_schedules import DEPTH, SHARES, schedules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probing_curves import Floats, Ints, Replayed

__all__ = [
    "Bools",
    "Score",
    "Truth",
    "chaotic",
    "claimed_edges",
    "edge_score",
    "lasting_edges",
    "score",
]

Bools = npt.NDArray[np.bool_]

EDGE = 0.05
"""Edges are steps of at least this, as a fraction of the latency before."""

NO_EDGE = 0.04
"""A step below this is no edge; between the two, noise may say either."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a known curve holds.

    Attributes:
        curve: the curve.
        calm: shape (C,), whether a count lies outside chaotic zones.
        edges: the counts before the edges that should be found.
        budgets_ns: shape (12,), for the model of `DEPTH` blocks.
        most: per budget, the tokens that the best schedule keeps in all; None where even
            the fastest does not fit.
    """

    curve: Replayed
    calm: Bools
    edges: frozenset[int]
    budgets_ns: tuple[int, ...]
    most: tuple[int | None, ...]

    @classmethod
    def of(cls, curve: Replayed) -> Truth:
        """Work it out."""
        truth_ns = curve.latency_ns.astype(np.float64)
        calm = ~chaotic(truth_ns) if curve.dense else np.ones(len(truth_ns), dtype=bool)
        steps = lasting_edges(truth_ns) if curve.dense else _steps(curve.counts, truth_ns)
        edges = (int(curve.counts[i]) for i in steps if calm[i] and calm[i + 1])
        budgets = tuple(int(share * DEPTH * int(curve.latency_ns[-1])) for share in SHARES)
        best = schedules(curve.counts, truth_ns, budgets)
        most = tuple(
            None if places is None else int(curve.counts[places].sum()) for places in best
        )
        return cls(curve, calm, frozenset(edges), budgets, most)


@dataclass(frozen=True, slots=True)
class Score:
    """How one method did on one curve, once.

    Attributes:
        errors: shape (C,), relative to the truth.
        calm: shape (C,), as in `Truth`.
        edges: edges found, edges there, false alarms; None where a method claims none.
        covered: shape (C,), whether the bound holds; None where a method gives none.
        overshoots: per budget for which a schedule was given, its true latency over the
            budget, 0 if within.
        losses: per budget that the truth can meet, the share of tokens lost against the
            best schedule.
    """

    errors: Floats
    calm: Bools
    edges: tuple[int, int, int] | None
    covered: Bools | None
    overshoots: tuple[float, ...]
    losses: tuple[float, ...]


def chaotic(latency_ns: Floats) -> Bools:
    """Which counts lie in a chaotic zone, of all counts from first to last."""
    bends = np.zeros(len(latency_ns))
    bends[1:-1] = np.abs(np.diff(np.log(latency_ns), 2)) / 2
    near = [np.median(bends[max(0, i - 4) : i + 5]) for i in range(len(bends))]
    return np.array(near) > NO_EDGE


def lasting_edges(latency_ns: Floats) -> Ints:
    """The places before steps after which the latency stays on another level."""
    found = []
    for i in np.flatnonzero(np.abs(np.diff(latency_ns) / latency_ns[:-1]) >= EDGE):
        left, right = latency_ns[max(0, i - 3) : i + 1], latency_ns[i + 1 : i + 5]
        if len(left) < 4 or len(right) < 4:
            continue
        step = latency_ns[i + 1] / latency_ns[i] - 1
        levels = np.median(right) / np.median(left) - 1
        spread = max(np.ptp(side) / np.median(side) for side in (left, right))
        if levels * np.sign(step) >= EDGE and spread < abs(step) / 2:
            found.append(i)
    return np.array(found, dtype=np.int64)


def _steps(counts: Ints, latency_ns: Floats) -> Ints:
    """The places before steps between counts next to each other."""
    steep = np.abs(np.diff(latency_ns) / latency_ns[:-1]) >= EDGE
    return np.flatnonzero(steep & (np.diff(counts) == 1))


def claimed_edges(counts: Ints, latency_ns: Floats) -> dict[int, float]:
    """Every step that a predicted curve holds between counts next to each other."""
    sizes = np.diff(latency_ns) / latency_ns[:-1]
    beside = np.diff(counts) == 1
    return dict(zip(counts[:-1][beside].tolist(), sizes[beside].tolist(), strict=True))


def edge_score(truth: Truth, claimed: Mapping[int, float]) -> tuple[int, int, int]:
    """Edges found, edges there, false alarms.

    Args:
        truth: the curve.
        claimed: by the count before a step, its size; steps of less than `NO_EDGE` may be
            among them.
    """
    steps = claimed_edges(truth.curve.counts, truth.curve.latency_ns.astype(np.float64))

    def along(count: int) -> float:
        """The claimed size, positive where it goes the true way."""
        return float(claimed.get(count, 0.0) * np.sign(steps[count]))

    found = sum(along(count) >= NO_EDGE for count in truth.edges)
    alarms = (c for c, size in claimed.items() if abs(size) >= EDGE)
    false = sum(steps[c] * np.sign(claimed[c]) < NO_EDGE for c in alarms)
    return found, len(truth.edges), int(false)


def score(
    truth: Truth,
    predicted_ns: Floats,
    *,
    claimed: Mapping[int, float] | None = None,
    upper_ns: Floats | None = None,
) -> Score:
    """Judge a predicted curve.

    Args:
        truth: the curve.
        predicted_ns: shape (C,).
        claimed: as in `edge_score`; None where the method claims no edges.
        upper_ns: shape (C,), the latency that 95 % of counts should stay below.
    """
    true_ns = truth.curve.latency_ns
    overshoots, losses = _planned(truth, predicted_ns)
    return Score(
        errors=np.abs(predicted_ns / true_ns - 1),
        calm=truth.calm,
        edges=None if claimed is None else edge_score(truth, claimed),
        # A measurement is kept in whole ns, so half of one is no miss.
        covered=None if upper_ns is None else true_ns <= upper_ns + 0.5,
        overshoots=overshoots,
        losses=losses,
    )


def _planned(truth: Truth, predicted_ns: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Overshoots and losses of the schedules that the predicted curve leads to."""
    counts, true_ns = truth.curve.counts, truth.curve.latency_ns
    overshoots, losses = [], []
    plans = schedules(counts, predicted_ns, truth.budgets_ns)
    for budget, most, places in zip(truth.budgets_ns, truth.most, plans, strict=True):
        if places is not None:
            overshoots.append(max(int(true_ns[places].sum()) / budget - 1, 0.0))
        if most is not None:
            kept = 0 if places is None else int(counts[places].sum())
            losses.append(max(1 - kept / most, 0.0))
    return tuple(overshoots), tuple(losses)
