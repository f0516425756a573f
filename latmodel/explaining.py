"""Why latency steps where it does: the most likely cause, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from latmodel.gaps import TILES
from latmodel.workload import Workload

__all__ = ["likely_cause"]

_KERNEL_TILES = ((256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (32, 64))
"""Rows and columns of the tiles that GEMM kernels use.

Source: the kernel names in NeuSight's operator timings (commit 6945927)."""

_FAR = 0.5
"""A wave whose step would differ from the one seen by more than this share is no cause."""


def likely_cause(
    count: int,
    size: float,
    *,
    alternating: bool = False,
    flat_before: bool = False,
    workload: Workload | None = None,
    processors: int | None = None,
    mlp_share: float | None = None,
) -> str:
    """Name the most likely cause of a step from `count` to `count + 1` tokens.

    In this order: kernels that alternate, a kernel that is faster from here on, one more
    wave of a GEMM's tiles, one more tile of rows, the end of the launch floor, and else a
    kernel that is slower from here on.

    Args:
        count: the last count before the step, in tokens.
        size: its height, as a fraction of the latency before it.
        alternating: whether it lies where latency goes up and down from count to count.
        flat_before: whether fewer tokens cost the same.
        workload: the shapes that ran; one image of unknown shape where not given.
        processors: the GPU's streaming multiprocessors; no waves are named without.
        mlp_share: how much of the step the MLP halves make; None where it is not known.

    >>> likely_cause(64, 0.36)
    'tile of 64 rows'
    >>> likely_cause(142, -0.11)
    'kernel switch'
    """
    if alternating:
        return "kernels alternate"
    if size < 0:
        return "kernel switch"
    half = _half(mlp_share)
    if workload is not None and processors is not None and size > 0:
        wave = _wave(count, size, workload, processors)
        if wave:
            return wave
    tile = _tile(count, 1 if workload is None else workload.batch)
    if tile:
        return f"{tile}{half}"
    return "end of the launch floor" if flat_before else f"kernel switch{half}"


def _half(mlp_share: float | None) -> str:
    if mlp_share is None or 0.25 < mlp_share < 0.75:
        return ""
    return " in the MLP" if mlp_share >= 0.75 else " in attention"


def _tile(count: int, batch: int) -> str:
    """The widest tile that one more token no longer fits into."""
    tiles = sorted(TILES.tolist(), reverse=True)
    if batch > 1:
        # Attention pads each image, the GEMMs all rows of a batch together.
        for tile in (tile for tile in tiles if tile >= 64 and count % tile == 0):
            return f"attention tile of {tile}"
    for tile in (tile for tile in tiles if count * batch % tile == 0 and tile >= 8 * batch):
        return f"tile of {tile} rows"
    return ""


def _wave(count: int, size: float, workload: Workload, processors: int) -> str:
    """The wave whose step is most like the one seen; "" where none is near."""
    found: list[tuple[float, str]] = []
    for step, name in _waves(count, workload, processors):
        found.append((abs(math.log(step / size)), name))
    if not found:
        return ""
    far, name = min(found)
    return name if far <= -math.log(_FAR) else ""


def _waves(count: int, workload: Workload, processors: int) -> Iterator[tuple[float, str]]:
    """Every GEMM and tile that needs one more wave, with the step it would make."""
    dim, mlp = workload.dim, workload.mlp_width
    across_heads = workload.heads * workload.head_dim
    gemms = {
        "qkv": (3 * across_heads, dim),
        "proj": (dim, across_heads),
        "fc1": (mlp * (2 if workload.gated_mlp else 1), dim),
        "fc2": (dim, mlp),
    }
    work = sum(columns * depth for columns, depth in gemms.values())
    for name, (columns, depth) in gemms.items():
        for rows, across in _KERNEL_TILES:
            tiles = [
                math.ceil(tokens * workload.batch / rows) * math.ceil(columns / across)
                for tokens in (count, count + 1)
            ]
            before, after = (math.ceil(blocks / processors) for blocks in tiles)
            if after > before:
                step = columns * depth / work * (after - before) / before
                yield step, f"wave {after} of the {name} GEMM ({rows}x{across} tiles)"
