"""What is likely to hide in a gap: steps at tile edges, wandering, alternating kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latmodel.gaps import STEPS, Floats, Gaps
from latmodel.slopes import explain_rises

__all__ = ["MOVE", "Roughness", "find_zones", "roughness"]

_PER_TOKEN = 0.005
"""Wandering per token before anything is known, as a fraction of latency: one step of a
tenth off the tile edges every 400 tokens."""

_PER_COUNT = 0.0015
"""How far single counts scatter about their neighbours on calm treads."""

_TRUST = 20.0
"""Tokens that must be seen before wandering, of all or nearby, is believed over the start."""

_BELIEF = 2.0
"""Gaps that must cross a tile's edges before its step is believed over the start."""

_NULL, _PROOF = 1.0, 2.0
"""How much one gap may say against a tile's steps, or for them, in natural log odds: other
edges of the tile may still differ."""

_NEAR = 4.0
"""Tokens over which wandering in one gap says something about the next."""

MOVE = 0.03
"""A rise or fall that counts as one, as a fraction of latency."""

_CLOSE = 20
"""Tokens within which moves up and down must alternate to be one zone."""

_ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Roughness:
    """What each gap may hide; all fractions of latency, shapes (G,) unless said otherwise.

    Attributes:
        slopes: the rise per token that the other gaps lead to expect.
        steps: the root of the square rise that no slope explains.
        wandering: variance per token, besides tile edges.
        tiles: shape (tiles,), mean square of the step after a multiple of each tile.
        means: shape (tiles,), the step after a multiple of each tile, up or down.
        scatter: variance of single counts about their neighbours: large in a zone where
            kernels alternate.
        zones: such zones, as (first count, last count, height of a move).
    """

    slopes: Floats
    steps: Floats
    wandering: Floats
    tiles: Floats
    means: Floats
    scatter: Floats
    zones: tuple[tuple[int, int, float], ...]

    def variances(self, gaps: Gaps) -> Floats:
        """Of each gap's rise about its slope; shape (G,)."""
        total: Floats = gaps.widths * self.wandering + gaps.edges @ self.tiles
        return total


def roughness(gaps: Gaps) -> Roughness:
    """Learn from the gaps what they may hide.

    Variance components by expectation and maximisation, a few rounds: each gap's
    unexplained square is shared out between wandering and the tile edges it crosses, and
    both are estimated anew. A gap with one great step teaches the components little.

    Args:
        gaps: at least one.
    """
    count, zones = len(gaps.widths), find_zones(gaps)
    rough = Roughness(
        slopes=np.zeros(count),
        steps=np.zeros(count),
        wandering=np.full(count, _PER_TOKEN**2),
        tiles=STEPS**2 / 2,
        means=np.zeros(len(STEPS)),
        scatter=_scatter(gaps, zones),
        zones=zones,
    )
    for _ in range(_ROUNDS):
        rough = _improve(gaps, rough)
    return rough


def _improve(gaps: Gaps, rough: Roughness) -> Roughness:
    variances = rough.variances(gaps)
    about = variances + 2 * rough.scatter + gaps.noise
    slopes, squares = explain_rises(gaps, gaps.edges @ rough.means, about)
    steps = np.sqrt(np.maximum(squares - 2 * rough.scatter - gaps.noise, 0.0))
    tiles = _tiles(gaps, rough, steps)
    means = _means(gaps, rough, gaps.rises - slopes * gaps.widths)
    wandering = _wandering(gaps, rough, steps**2)
    return Roughness(slopes, steps, wandering, tiles, means, rough.scatter, rough.zones)


def _tiles(gaps: Gaps, rough: Roughness, steps: Floats) -> Floats:
    """Variance of the step at each tile's edges: how high if it has one, times how likely."""
    variances = rough.variances(gaps)
    crossed = gaps.edges > 0
    parts = gaps.edges * rough.tiles  # (G, tiles)
    shares = parts / variances[:, None]
    # A located step is seen as it is; what hides in a wider gap may be something else.
    heavy = np.where(gaps.widths > 1, (1 + steps**2 / variances) / 2, 1.0)
    squares = shares**2 * (steps**2 / heavy)[:, None] + parts * (1 - shares)
    per_edge = np.where(crossed, squares / np.where(crossed, gaps.edges, 1.0), 0.0)
    height = (_BELIEF * STEPS**2 + per_edge.sum(axis=0)) / (_BELIEF + crossed.sum(axis=0))
    rest = variances[:, None] - parts + gaps.noise[:, None] + _PER_COUNT**2
    both = rest + gaps.edges * np.maximum(height, STEPS**2)
    evidence = (steps[:, None] ** 2 * (1 / rest - 1 / both) - np.log(both / rest)) / 2
    odds = np.where(crossed, np.clip(evidence, -_NULL, _PROOF), 0.0).sum(axis=0)
    likely = 1 / (1 + np.exp(-np.clip(odds, -20, 20)))
    variance: Floats = height * likely
    return variance


def _means(gaps: Gaps, rough: Roughness, rises: Floats) -> Floats:
    """The step at each tile's edges, of what rises no slope explains."""
    shares = gaps.edges * rough.tiles / rough.variances(gaps)[:, None]
    crossed = gaps.edges > 0
    per_edge = np.where(crossed, shares / np.where(crossed, gaps.edges, 1.0), 0.0)
    means: Floats = rises @ per_edge / (_BELIEF + crossed.sum(axis=0))
    return means


def _wandering(gaps: Gaps, rough: Roughness, squares: Floats) -> Floats:
    """Variance per token of each gap, told by itself and those near, the rest by all."""
    parts = gaps.widths * rough.wandering
    shares = parts / rough.variances(gaps)
    start = gaps.widths * _PER_TOKEN**2
    seen = shares**2 * squares + np.minimum(parts, start) * (1 - shares)
    total = gaps.widths.sum()
    usual = (_TRUST * _PER_TOKEN**2 + np.minimum(seen, 4 * start).sum()) / (_TRUST + total)
    beyond = np.maximum(gaps.distances() - (gaps.widths[:, None] + gaps.widths) / 2, 0.0)
    near = np.exp(-beyond / _NEAR)
    local: Floats = (_TRUST * usual + near @ seen) / (_TRUST + near @ gaps.widths)
    return local


def find_zones(gaps: Gaps) -> tuple[tuple[int, int, float], ...]:
    """Where latency goes up and down from one probe to the next: two kernels alternate.

    Turning points as in a zigzag: a move is at least `MOVE` and three standard errors, and
    a turn stays where it is unless latency goes on by a third of `MOVE`.
    Three moves or more in turn, each within a few tokens, make a zone; moves of more than
    twice and a half its usual height (a step that borders it) are left out.

    Args:
        gaps: G gaps.
    """
    path = np.concatenate([[0.0], np.cumsum(gaps.rises)])
    turns, way = [0], 0.0
    for probe in range(1, len(path)):
        move = path[probe] - path[turns[-1]]
        noise = 3 * np.hypot(gaps.errors[probe], gaps.errors[turns[-1]])
        if way * move > 0:
            if abs(move) > MOVE / 3:
                turns[-1] = probe
        elif abs(move) >= max(MOVE, noise):
            turns.append(probe)
            way = np.sign(move)
    zones: list[tuple[int, int, float]] = []
    run: list[tuple[int, int, float]] = []
    for start, stop in zip(turns, [*turns[1:], None], strict=True):
        if stop is not None and gaps.counts[stop] - gaps.counts[start] <= _CLOSE:
            height = abs(float(path[stop] - path[start]))
            run.append((int(gaps.counts[start]), int(gaps.counts[stop]), height))
            continue
        if len(run) >= 3:
            usual = float(np.median([height for *_, height in run]))
            inside = [leg for leg in run if leg[2] <= 2.5 * usual]
            zones.append((inside[0][0], inside[-1][1], usual))
        run = []
    return tuple(zones)


def _scatter(gaps: Gaps, zones: tuple[tuple[int, int, float], ...]) -> Floats:
    scatter = np.full(len(gaps.widths), _PER_COUNT**2)
    for first, last, height in zones:
        inside = (gaps.counts[1:] > first) & (gaps.counts[:-1] < last)
        scatter = np.where(inside, np.maximum(scatter, (height / 2) ** 2), scatter)
    return scatter
