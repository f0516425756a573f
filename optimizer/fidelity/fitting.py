"""From a few measured counts to every count: monotone, and no more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from latmodel.table import Int64
    from optimizer.fidelity.damage import BlockDamage, DamageTable

__all__ = ["fit_damage"]

_Floats = npt.NDArray[np.float64]

_LEAST_ERROR = 1e-3
"""The least standard error that a mean is given, as a share of the block's greatest damage.

Images that all answer alike would else hold a single mean against all others."""

_ROUNDING = 1e-12
"""Damage below this is none: answers in fp32 that are equal to rounding are not so close."""


def fit_damage(table: DamageTable, counts: Int64) -> _Floats:
    """What cutting to each count costs, in each block.

    In every block damage falls as the count rises: the means that break this are pooled,
    weighted by their errors (isotonic regression), and in between runs a monotone cubic
    over the logarithm of the count, to zero at the full one. Between blocks nothing is
    assumed. Below the least count measured it is that of the least: the caller must say so.

    Args:
        table: what was measured.
        counts: shape (C,), tokens, prefix included; none above the table's full count.

    Returns:
        Shape (depth, C), in the table's divergence.

    Source:
        Fritsch and Carlson 1980, doi:10.1137/0717021; isotonic regression as Barlow et
        al. 1972, Statistical inference under order restrictions.
    """
    return np.stack([_block(block, table.full, counts) for block in table.blocks])


def _block(block: BlockDamage, full: int, counts: Int64) -> _Floats:
    from scipy.interpolate import PchipInterpolator  # noqa: PLC0415 (a solve needs none)

    knots = np.log([*block.counts, full])
    falling = _falling(block)
    # Slopes between heights that are but roundings of zero would overflow.
    heights = np.append(np.where(falling < _ROUNDING, 0.0, falling), 0.0)
    fitted = PchipInterpolator(knots, heights)(np.log(np.maximum(counts, block.counts[0])))
    # Between equal heights a cubic may be off by a rounding, as the logarithms are.
    clipped: _Floats = np.where(counts == full, 0.0, np.clip(fitted, 0.0, heights[0]))
    return clipped


def _falling(block: BlockDamage) -> _Floats:
    """The measured means, pooled where they rise with the count."""
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 (takes a second)

    damage, errors = np.array(block.damage), np.array(block.errors)
    least = max(_LEAST_ERROR * float(damage.max()), np.finfo(float).tiny ** 0.25)
    weights = np.maximum(errors, least) ** -2.0
    weights /= weights.max()
    fit = IsotonicRegression(increasing=False)
    falling: _Floats = fit.fit_transform(np.array(block.counts), damage, sample_weight=weights)
    return falling
