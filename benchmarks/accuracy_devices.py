"""Two devices that are not here, as latency tables of a model of 12 blocks and 197 tokens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from probing_curves import measured_curves

from latmodel.catalogue import read_profile
from latmodel.table import LatencyTable
from latmodel.workloads import find_workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from latmodel.workload import Workload

__all__ = ["staircases"]

_STANDS_FOR = "deit_small_patch16_224"
"""Blocks and tokens are those of the model that is cut; its width is a real one."""

_CURVE = "rtx3090"
_JETSON_BATCH = 8
"""At batch 1 the Jetson waits for launches: its latency depends on no count."""


def staircases() -> Iterator[tuple[str, LatencyTable, Workload]]:
    """Each device by name; the first only where the readings are."""
    workload = find_workload(_STANDS_FOR)
    try:
        curves = measured_curves()
    except SystemExit as absent:
        print(f"left out: RTX 3090, since {absent}", file=sys.stderr)
        curves = []
    for curve in curves:
        if curve.dense and len(curve.counts) == workload.tokens:
            yield (
                f"RTX 3090, {curve.name}",
                _of_blocks(curve.counts, curve.latency_ns),
                workload,
            )
            break
    work = workload.at(batch=_JETSON_BATCH)
    yield f"Jetson AGX Orin, batch {_JETSON_BATCH}", read_profile("jetson").table(work), work


def _of_blocks(counts: np.ndarray, block_ns: np.ndarray) -> LatencyTable:
    """Twelve blocks of one curve; cuts and ends are free, as the readings hold neither."""
    segment_ns = np.tile(np.ceil(block_ns).astype(np.int64), (12, 1))
    return LatencyTable(
        counts=counts.astype(np.int64),
        segment_ns=segment_ns,
        cut_ns=np.zeros_like(segment_ns),
        fixed_ns=0,
        relative_error=np.zeros(len(counts)),
        origin="twelve blocks of a measured curve",
    )
