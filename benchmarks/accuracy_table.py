"""The tables of `accuracy.py`, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from accuracy_scoring import Point, at_share, difference, estimate

if TYPE_CHECKING:
    from accuracy_plans import Fitted

__all__ = ["best_lines", "equal_latency_lines", "flops_lines"]


def equal_latency_lines(
    methods: Mapping[str, list[Point]], shares: Sequence[float], *, agreement: bool
) -> Iterator[str]:
    """Accuracy, or agreement with the uncut model, at each share of its latency."""
    what = "agreement with the uncut model" if agreement else "accuracy"
    yield f"{what} in percent, at equal latency"
    yield "latency  " + "  ".join(f"{name:>11}" for name in methods)
    for share in shares:
        cells = []
        for points in methods.values():
            found = at_share(points, share)
            cells.append("-" if found is None else str(estimate(found[int(agreement)])))
        yield f"{share:5.0%}    " + "  ".join(f"{cell:>11}" for cell in cells)


def best_lines(
    methods: Mapping[str, list[Point]], shares: Sequence[float], ours: str
) -> Iterator[str]:
    """What one of ours gains on every rival, image by image."""
    yield f"what '{ours}' gains on each, in points"
    others = [name for name in methods if name != ours]
    yield "latency  " + "  ".join(f"{name:>11}" for name in others)
    for share in shares:
        mine = at_share(methods[ours], share)
        cells = []
        for name in others:
            theirs = at_share(methods[name], share)
            if mine is None or theirs is None:
                cells.append("-")
            else:
                cells.append(str(difference(mine[0], theirs[0])))
        yield f"{share:5.0%}    " + "  ".join(f"{cell:>11}" for cell in cells)


def flops_lines(
    rows: Mapping[float, Mapping[str, Fitted]], right: Mapping[str, float]
) -> Iterator[str]:
    """Latency over the budget, and accuracy, of methods tuned to the budget's share of FLOPs.

    Args:
        rows: by budget as a share of the uncut latency, each method's schedule.
        right: the share of right answers by a setting's key.
    """
    names = list(next(iter(rows.values())))
    yield "latency over the budget, and accuracy: rivals tuned to the budget's share of FLOPs"
    yield "budget   " + "  ".join(f"{name:>14}" for name in names)
    for share, found in rows.items():
        cells = [
            f"{one.share / share - 1:+6.1%} {right[one.setting.key]:6.1%}"
            for one in found.values()
        ]
        yield f"{share:5.0%}    " + "  ".join(f"{cell:>14}" for cell in cells)
