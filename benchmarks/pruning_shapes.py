"""The shapes of schedules whose overhead is measured: counts per block at any image size."""

from __future__ import annotations

from collections.abc import Callable

from optimizer.schedule import Schedule

__all__ = ["SHAPES"]


def _one_cut(depth: int, patches: int) -> list[int]:
    """POMT's: one cut at block 3."""
    return [patches] * 3 + [round(0.6 * patches)] * (depth - 3)


def _three_cuts(depth: int, patches: int) -> list[int]:
    """EViT's: at blocks 3, 6 and 9, each keeping 70 %."""
    return [round(patches * 0.7 ** (block // 3)) for block in range(depth)]


def _constant(depth: int, patches: int) -> list[int]:
    """ToMe's: as many in every block, 60 % of them in all."""
    return [patches - round(0.6 * patches * (block + 1) / depth) for block in range(depth)]


def _schedule(shape: Callable[[int, int], list[int]], depth: int, full: int) -> Schedule:
    """One class token in front of the patches."""
    counts = (1 + patches for patches in shape(depth, full - 1))
    return Schedule(tuple(counts), full=full, prefix=1)


SHAPES: dict[str, Callable[[int, int], Schedule]] = {
    "one cut": lambda depth, full: _schedule(_one_cut, depth, full),
    "three cuts": lambda depth, full: _schedule(_three_cuts, depth, full),
    "a cut in every block": lambda depth, full: _schedule(_constant, depth, full),
}
"""By name, from depth and full token count to a schedule with a prefix of one."""
