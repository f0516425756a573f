"""What it is worth to keep tokens: the objective of the solver."""

from __future__ import annotations

import numpy as np

from latmodel.table import Int64

__all__ = ["kept_tokens"]


def kept_tokens(counts: Int64, depth: int) -> Int64:
    """Every token kept through a block is worth one, in whatever block.

    Args:
        counts: shape (C,), tokens.
        depth: transformer blocks.

    Returns:
        Shape (depth, C).

    >>> kept_tokens(np.array([64, 197]), 2).tolist()
    [[64, 197], [64, 197]]
    """
    return np.tile(np.asarray(counts, dtype=np.int64), (depth, 1))
