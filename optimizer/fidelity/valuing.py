"""From damage to the solver's objective: what it is worth to keep tokens, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.fidelity.fitting import fit_damage

if TYPE_CHECKING:
    from latmodel.table import Int64
    from optimizer.fidelity.damage import DamageTable

__all__ = ["UNIT", "not_negative", "predicted_damage", "value_of_damage", "whole_damage"]

UNIT = 1e-6
"""The solver counts damage in millionths: for classes, of a nat."""


def whole_damage(table: DamageTable, counts: Int64) -> Int64:
    """The fitted damage in whole `UNIT`s.

    Args:
        table: what was measured.
        counts: shape (C,), tokens.

    Returns:
        Shape (depth, C).
    """
    return np.rint(fit_damage(table, counts) / UNIT).astype(np.int64)


def value_of_damage(damage: Int64) -> Int64:
    """What keeping each count through each block is worth.

    A cut of block i from m to n tokens does the damage D(i, n) - D(i, m). Summed over a
    schedule and gathered by block, it is less the sum of ``value[i, n] = D(i + 1, n) - D(i,
    n)``, with nothing after the last block: exactly, as all are integers.

    Args:
        damage: shape (depth, C), of cutting to each count in each block alone; zero at the
            last, the full one.

    Returns:
        Shape (depth, C); it may be negative.

    >>> value_of_damage(np.array([[9, 4, 0], [5, 3, 0]])).tolist()
    [[-4, -1, 0], [-5, -3, 0]]
    """
    return np.diff(damage, axis=0, append=0)


def not_negative(value: Int64) -> Int64:
    """The same with a constant added to each block's row, which changes no choice.

    Args:
        value: shape (depth, C).

    >>> not_negative(np.array([[-4, -1, 0], [-5, -3, 0]])).tolist()
    [[0, 3, 4], [0, 2, 5]]
    """
    shifted: Int64 = value - value.min(axis=1, keepdims=True)
    return shifted


def predicted_damage(table: DamageTable, tokens: tuple[int, ...]) -> float:
    """What a schedule is to cost, if its cuts add up.

    Args:
        table: what was measured.
        tokens: shape (depth,), the counts that leave each block.
    """
    before = (table.full, *tokens[:-1])
    counts = np.unique((*before, *tokens)).astype(np.int64)
    damage, column = fit_damage(table, counts), {int(n): k for k, n in enumerate(counts)}
    return float(
        sum(
            damage[block, column[after]] - damage[block, column[count]]
            for block, (count, after) in enumerate(zip(before, tokens, strict=True))
            if after < count
        )
    )
