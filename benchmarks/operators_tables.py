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

    from latmodel.operators import OperatorModel
    from latmodel.profile import DeviceProfile
    from latmodel.workload import Workload

__all__ = ["TABLE_HEAD", "table_lines"]

TABLE_HEAD = (
    "profile",
    "dtype",
    "kB",
    "read ms",
    "first table ms",
    "median ms",
    "worst ms",
    "CPU ms",
    "bar ms",
)

MODEL = "vit_large_patch16_384"
"""ViT-L/16 at 577 tokens."""

ROUNDS = 15
BAR_MS = 50


def table_lines() -> Iterator[tuple[str, ...]]:
    """The largest shipped profile per dtype: to read it, its first table, those after."""
    size = {
        name: (data_folder() / f"{name}.yaml").stat().st_size for name in shipped_profiles()
    }
    name = max(size, key=lambda each: size[each])
    for dtype in _operators(read_profile(name)).dtypes:
        start = time.perf_counter()
        profile = read_profile(name)  # anew, so that its first table prepares the trees
        read_ms = _since(start)
        workload = find_workload(MODEL, dtype=dtype)
        first, *others = (_table_ms(profile, workload) for _ in range(1 + ROUNDS))
        busy = time.process_time()  # what other programs take does not count
        _table_ms(profile, workload)
        busy_ms = 1e3 * (time.process_time() - busy)
        figures = (read_ms, first, median(others), max(others), busy_ms)
        cells = (f"{each:.1f}" for each in figures)
        yield (name, dtype, f"{size[name] / 1e3:.0f}", *cells, f"{BAR_MS}")


def _operators(profile: DeviceProfile) -> OperatorModel:
    assert profile.operators is not None  # the largest files hold trees
    return profile.operators


def _table_ms(profile: DeviceProfile, workload: Workload) -> float:
    start = time.perf_counter()
    profile.table(workload)
    return _since(start)


def _since(start: float) -> float:
    return 1e3 * (time.perf_counter() - start)
