"""Parts about to be cut that another one beats whatever they are cut to.

Where one cut may drop any number of tokens, a start with more tokens can be cut to all that a
start with fewer can, and an end with fewer be reached from all that an end with more can. So
of two starts, or ends, with different columns one may beat the other: in latency, value and
column. With columns halved again and again, each pair is compared once, at the halving that
parts it (Kung, Luccio and Preparata 1975, doi:10.1145/321906.321910).
"""

from __future__ import annotations

import numpy as np

from optimizer.problem import Int64
from optimizer.solvers.labels import Labels, packed

__all__ = ["cuttable"]

_FEW = 500
"""So few parts are spread as fast as they are thinned."""


def cuttable(labels: Labels, *, back: bool) -> Labels:
    """Without those that another one beats, faster and worth as much, whatever the cut.

    Args:
        labels: of one layer, each column's in rising latency.
        back: whether these are ends.
    """
    if len(labels) <= _FEW:
        return labels
    columns = np.unique(labels.column)
    rank = np.searchsorted(columns, labels.column)
    if back:
        rank = len(columns) - 1 - rank  # the greater, the more can be done with it
    left = np.arange(len(labels))
    for bit in range((len(columns) - 1).bit_length()):
        left = left[_unbeaten_by_upper(labels, left, rank[left] >> bit)]
    return labels.at(left)


def _unbeaten_by_upper(labels: Labels, left: Int64, half: Int64) -> Int64:
    """The places of those in upper halves, and in lower ones unless one above beats them."""
    group, upper = half >> 1, half & 1
    order = np.lexsort((upper, labels.latency_ns[left], group))  # of equals, the lower first
    above, value = upper[order] == 1, labels.value[left[order]]
    raised = packed(group[order], value)
    best = np.maximum.accumulate(np.where(above, raised, -1))
    return np.sort(order[above | (raised > best)])
