"""Where the names of edges stand, so that none covers another or another's pole.

Each edge has a pole that rises from the curve, and its name hangs at the top of the pole
to the right, as a flag does. Names hang in lanes, lane 0 the lowest.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["label_lanes", "rightmost_end"]


def label_lanes(places: Sequence[float], widths: Sequence[float]) -> tuple[int, ...]:
    """A lane for each name: above every pole that rises within its width.

    Args:
        places: where the poles stand, ascending, in any unit of length.
        widths: of the names, margin included, in the same unit.

    Returns:
        A lane for each name; shape as `places`.

    >>> label_lanes([0, 5, 30], [10, 10, 10])
    (1, 0, 0)
    """
    lanes = [0] * len(places)
    for k in reversed(range(len(places))):
        end = places[k] + widths[k]
        under = [lanes[j] for j in range(k + 1, len(places)) if places[j] < end]
        lanes[k] = max(under, default=-1) + 1
    return tuple(lanes)


def rightmost_end(
    shares: Sequence[float], widths: Sequence[float], left: float, limit: float
) -> float:
    """How far right an axis from `left` may reach so that every name ends before `limit`.

    Args:
        shares: where each pole stands, as a share of the axis: 0 at its left end, 1 at
            its right.
        widths: of the names, margin included, in the unit of `left`.
        left: where the axis begins.
        limit: what no name may pass.

    >>> rightmost_end([0.5, 1.0], [10.0, 20.0], 0.0, 100.0)
    80.0
    """
    ends = [
        left + (limit - width - left) / share
        for share, width in zip(shares, widths, strict=True)
        if share > 0
    ]
    return min((limit, *ends))
