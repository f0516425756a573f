"""How long the table of a large model takes, in `operators.py`."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from latmodel.catalogue import read_profile, shipped_profiles
from latmodel.files import data_folder
from latmodel.workloads import find_workload

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TABLE_HEAD", "table_lines"]

TABLE_HEAD = ("profile", "kB", "read ms", "first table ms", "median ms", "worst ms", "bar ms")

MODEL = "vit_large_patch16_384"
"""ViT-L/16 at 577 tokens."""

ROUNDS = 15
BAR_MS = 50


def table_lines() -> Iterator[tuple[str, ...]]:
    """The largest shipped profile: to read it, its first table, and tables after that."""
    size = {
        name: (data_folder() / f"{name}.yaml").stat().st_size for name in shipped_profiles()
    }
    name = max(size, key=lambda each: size[each])
    start = time.perf_counter()
    profile = read_profile(name)
    read_ms = _since(start)
    workload = find_workload(MODEL, dtype=profile.default_dtype)
    taken_ms = []
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        profile.table(workload)
        taken_ms.append(_since(start))
    first, *others = taken_ms
    figures = (read_ms, first, median(others), max(others))
    yield (name, f"{size[name] / 1e3:.0f}", *(f"{each:.1f}" for each in figures), f"{BAR_MS}")


def _since(start: float) -> float:
    return 1e3 * (time.perf_counter() - start)
