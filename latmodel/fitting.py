"""Measurements to a curve: the latency expected at every count, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from latmodel.gaps import TILES, Floats, Gaps
from latmodel.measurement import SIGMA_OF_MEDIAN, Measurement
from latmodel.roughness import Roughness, roughness
from latmodel.smoothing import smooth

__all__ = ["Fit", "fit", "standard_errors"]

_USUAL_SAMPLES = 4
"""How many samples the probes' usual spread counts for, beside a probe's own."""

_WORST = 0.2
"""A larger error of a reading is no noise to be smoothed but a reading to be taken again."""

_MOST_BEND = 0.05
"""How far a bend may lead from a straight line, as a fraction of it: more is no bend."""

_EVEN, _STEP = 0.01, 0.03
"""A gap that may hide less than the first, as a fraction of latency, is taken for even; one
that may hide more than the second, for one with a step."""

_CAUTION = 0.3
"""A count that was not measured, in a gap that may hide a step, is expected so many standard
deviations later: of many counts, a solver picks those that look fast by mistake."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A latency curve at every count from the first probe to the last.

    Attributes:
        gaps: the probes, pair by pair.
        rough: what each gap may hide.
        counts: shape (N,), every count.
        latency_ns: shape (N,), expected.
        deviation_ns: shape (N,), one standard deviation of it.
        gap_of: shape (N,), the gap a count lies in.
        shares: shape (N,), how much of what its gap may hide lies below a count: 0 at the
            probe before, 1 at the one after.
        hidden: shape (G,), one standard deviation of the rise a gap may hide, as a fraction.
    """

    gaps: Gaps
    rough: Roughness
    counts: npt.NDArray[np.int64]
    latency_ns: Floats
    deviation_ns: Floats
    gap_of: npt.NDArray[np.intp]
    shares: Floats
    hidden: Floats


def fit(probes: Sequence[Measurement]) -> Fit:
    """Fit a curve through probes.

    Between two probes latency is a slope, as the other gaps lead to expect, and a step or a
    wandering whose place is unknown: likelier at a tile's edge than elsewhere, by as much as
    this curve's other edges have shown. At a probe it is what was read, less noise.

    Args:
        probes: two or more, ascending in count.
    """
    counts = np.array([probe.count for probe in probes], dtype=np.int64)
    seen = np.array([probe.centre_ns for probe in probes], dtype=np.float64)
    errors = np.minimum(standard_errors(probes), _WORST)
    gaps = Gaps(counts, seen, errors)
    rough = roughness(gaps)
    variances = rough.variances(gaps)
    hidden = np.sqrt(np.maximum(rough.steps**2, (variances + rough.steps**2) / 2))
    noise = (errors * seen) ** 2
    scatter = _at_probes(rough.scatter) * seen**2
    drift = rough.slopes * gaps.levels * gaps.widths
    mean, var, ahead = smooth(seen, noise + scatter, drift, (hidden * gaps.levels) ** 2)
    # Noise is taken out by what stands beside a probe, never beyond it.
    beside = np.pad(seen, 1, mode="edge")
    three = np.stack([beside[:-2], seen, beside[2:]])
    walk = np.clip(mean, three.min(axis=0), three.max(axis=0)), var, ahead
    grid = np.arange(counts[0], counts[-1] + 1, dtype=np.int64)
    gap_of = np.minimum(np.searchsorted(counts, grid, side="right") - 1, len(hidden) - 1)
    shares = _shares(gaps, rough, grid, gap_of)
    expected, deviation = _between(gaps, rough, walk, hidden, grid, gap_of, shares)
    at = counts - counts[0]
    kept = np.divide(scatter, scatter + noise, out=np.ones_like(noise), where=noise > 0)
    expected[at] = seen - (1 - kept) * (seen - walk[0])  # without noise, exactly what was seen
    deviation[at] = np.sqrt(kept * noise + (1 - kept) ** 2 * walk[1])
    return Fit(gaps, rough, grid, expected, deviation, gap_of, shares, hidden)


def standard_errors(probes: Sequence[Measurement]) -> Floats:
    """One standard deviation of each probe's centre, as a fraction of it; shape (P,).

    A few samples say little about their own spread, so it is drawn towards the usual one of
    the probes. Where no probe has two samples that differ, readings repeat exactly, or
    nothing is known of their noise, and it is 0.
    """
    spreads = [probe.spread for probe in probes if len(probe.steady_ns) > 2]
    usual = median(spreads) if spreads else 0.0
    errors = []
    for probe in probes:
        extra = max(len(probe.steady_ns) - 1, 0)
        square = _USUAL_SAMPLES * usual**2 + extra * probe.spread**2
        spread = math.sqrt(square / (_USUAL_SAMPLES + extra))
        errors.append(SIGMA_OF_MEDIAN * spread / math.sqrt(len(probe.steady_ns)))
    return np.array(errors)


def _at_probes(of_gaps: Floats) -> Floats:
    """The larger of what the gaps on both sides of each probe say."""
    padded = np.concatenate([of_gaps[:1], of_gaps, of_gaps[-1:]])
    both: Floats = np.maximum(padded[1:], padded[:-1])
    return both


def _shares(
    gaps: Gaps, rough: Roughness, grid: npt.NDArray[np.int64], gap_of: npt.NDArray[np.intp]
) -> Floats:
    start = gaps.counts[gap_of]
    crossed = (grid[:, None] - 1) // TILES - (start[:, None] - 1) // TILES
    below = rough.wandering[gap_of] * (grid - start) + crossed @ rough.tiles
    total: Floats = np.clip(below / rough.variances(gaps)[gap_of], 0.0, 1.0)
    return total


def _between(
    gaps: Gaps,
    rough: Roughness,
    walk: tuple[Floats, Floats, Floats],
    hidden: Floats,
    grid: npt.NDArray[np.int64],
    gap_of: npt.NDArray[np.intp],
    shares: Floats,
) -> tuple[Floats, Floats]:
    """Expected latency and one standard deviation at every count, probes not yet put in."""
    mean, var, ahead = walk
    along = (grid - gaps.counts[gap_of]) / gaps.widths[gap_of]
    rises = np.diff(mean)
    slope = rough.slopes * gaps.levels * gaps.widths
    slope = np.clip(slope, np.minimum(rises, 0.0), np.maximum(rises, 0.0))  # part of the rise
    rest = rises - slope
    sure = _stepped(hidden)
    placed = sure[gap_of] * shares + (1 - sure[gap_of]) * along
    expected = mean[gap_of] + slope[gap_of] * along + rest[gap_of] * placed
    uneven = np.max([hidden, np.abs(rest) / gaps.levels, np.sqrt(rough.scatter)], axis=0)
    expected += _bend(gaps, mean, uneven, grid, gap_of)
    level = mean[gap_of] + rises[gap_of] * along
    ends = (1 - shares) ** 2 * var[gap_of] + shares**2 * var[gap_of + 1]
    ends += 2 * shares * (1 - shares) * ahead[gap_of]
    inside = hidden[gap_of] ** 2 * shares * (1 - shares) + rough.scatter[gap_of]
    deviation = np.sqrt(ends + inside * level**2)
    expected += _CAUTION * sure[gap_of] * deviation
    return expected, deviation


def _stepped(heights: Floats) -> Floats:
    """How sure it is, from 0 to 1, that a gap has a step of such a height."""
    sure: Floats = np.clip((heights - _EVEN) / (_STEP - _EVEN), 0.0, 1.0)
    return sure


def _bend(
    gaps: Gaps,
    mean: Floats,
    steps: Floats,
    grid: npt.NDArray[np.int64],
    gap_of: npt.NDArray[np.intp],
) -> Floats:
    """How far the curve bends away from straight lines, where no step is near; shape (N,).

    Source:
        Akima 1970, doi:10.1145/321607.321609: a spline that a step does not make swing far.
    """
    if len(mean) < 5:
        return np.zeros(len(grid))
    # A quarter of a second that a plan from an operator model need not wait for.
    from scipy.interpolate import Akima1DInterpolator  # noqa: PLC0415

    straight = np.interp(grid, gaps.counts, mean)
    stepped = _stepped(steps)
    padded = np.concatenate([stepped[:1], stepped, stepped[-1:]])
    calm = 1 - np.max([padded[:-2], padded[1:-1], padded[2:]], axis=0)
    bent = Akima1DInterpolator(gaps.counts, mean)(grid)
    most = _MOST_BEND * straight
    correction: Floats = calm[gap_of] * np.clip(bent - straight, -most, most)
    return correction
