"""The parts of a model that are timed, and what a runtime offers to time them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from latmodel.environment import Environment
from latmodel.workload import Workload

__all__ = ["CUT_PROBES", "MLP_PROBES", "PARTS", "PartTimer", "ReadPart", "part_reader"]

PARTS = ("blocks", "mlps", "cut", "ends", "model")
"""All blocks, their MLP halves, one cut, what no cut changes, and the whole model."""

MLP_PROBES = 8
CUT_PROBES = 4
"""The MLP half enters a table only once and a cut is small, so few probes serve them."""

ReadPart = Callable[[str, int, int], tuple[int, ...]]
"""Times a part at a count so many times, in ns."""


class PartTimer(Protocol):
    """What a runtime offers: `repeats` samples of each part's latency, in ns.

    No sample holds what only the first calls of a part at a count do (compiling, allocating,
    choosing kernels): a runtime makes those calls before its samples, as `timing.settle` does.
    """

    workload: Workload

    def blocks_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """All blocks in sequence on `count` tokens."""
        ...

    def mlps_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """The MLP halves of all blocks in sequence on `count` tokens."""
        ...

    def cut_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """One cut from the full count to `count`."""
        ...

    def ends_ns(self, *, repeats: int) -> tuple[int, ...]:
        """Embedding, last norm and head."""
        ...

    def model_ns(self, *, repeats: int) -> tuple[int, ...]:
        """The whole unpruned model."""
        ...

    def environment(self) -> Environment:
        """What the timings depend on."""
        ...


def part_reader(timer: PartTimer) -> ReadPart:
    """One function for all parts, whose ends and whole model exist at the full count only."""

    def read(part: str, count: int, repeats: int) -> tuple[int, ...]:
        if part in ("ends", "model"):
            whole = timer.ends_ns if part == "ends" else timer.model_ns
            return tuple(whole(repeats=repeats))
        at_count = {"blocks": timer.blocks_ns, "mlps": timer.mlps_ns, "cut": timer.cut_ns}
        return tuple(at_count[part](count, repeats=repeats))

    return read
