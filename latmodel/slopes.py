"""How much of a gap's rise is a slope, as the other gaps tell it, and how much is not."""

from __future__ import annotations

import numpy as np

from latmodel.gaps import Floats, Gaps

__all__ = ["explain_rises"]

_REACH = 0.15
"""How far gaps vouch for each other's slope, as a share of the whole range: slopes change
from a launch-bound start to a compute-bound end."""

_BEYOND = 0.06
"""A slope may explain all of a gap's rise and so much more, which a fall then undoes: without
a limit, the slope of a step between neighbours would be expected to hide wonders elsewhere."""

_MOST = 128
"""Candidate slopes at most: more change nothing and cost time on dense curves."""


def explain_rises(gaps: Gaps, expected: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """Split each gap's rise into a slope and what a step must explain.

    Each gap's own slope is a candidate, and so is none. A candidate is as likely for a gap
    as it explains the gaps near it, that one itself left out, under errors with heavy tails
    (Cauchy), so that a few great steps do not bend it. Where the neighbours do not agree,
    neither slope nor step is ruled out, and the unexplained square stays large.

    Args:
        gaps: G gaps.
        expected: shape (G,), the steps at the tile edges it crosses, as fractions: a
            staircase seen from far is no slope.
        variances: shape (G,), of each rise without a slope, noise included; as fractions.

    Returns:
        The expected slope, as a fraction of the level per token, and the expected square
        of the rise it leaves; shapes (G,).
    """
    own = np.concatenate([gaps.rises, gaps.rises - expected]) / np.tile(gaps.widths, 2)
    if len(own) > _MOST:
        own = np.quantile(own, np.linspace(0, 1, _MOST))
    slopes = np.unique(np.append(own, 0.0))
    left = gaps.rises - slopes[:, None] * gaps.widths  # (slopes, G)
    surprise = np.log1p((left - expected) ** 2 / variances)
    reach = max(_REACH * (gaps.counts[-1] - gaps.counts[0]), 1.0)
    near = np.exp(-gaps.distances() / reach)
    np.fill_diagonal(near, 0.0)
    losses = surprise @ near  # (slopes, G): how badly each slope explains each one's others
    weights = np.exp(losses.min(axis=0) - losses)
    weights /= weights.sum(axis=0)
    low, high = np.minimum(gaps.rises, 0.0) - _BEYOND, np.maximum(gaps.rises, 0.0) + _BEYOND
    explained = np.clip(slopes[:, None] * gaps.widths, low, high)
    unexplained = (weights * (gaps.rises - explained) ** 2).sum(axis=0)
    return (weights * explained).sum(axis=0) / gaps.widths, unexplained
