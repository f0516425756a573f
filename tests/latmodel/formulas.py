"""A runtime on paper, whose latencies are formulas."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import cycle, islice

from latmodel.environment import Environment
from latmodel.workload import Workload
from tests.latmodel.golden import PAPER_VIT

__all__ = ["DEIT", "FULL", "HERE", "Formulas"]

FULL = 197
DEIT = replace(PAPER_VIT, model="deit", depth=12, tokens=FULL)
HERE = Environment(
    device="Paper Board",
    runtime="torch eager",
    runtime_version="2.1.0",
    dtype="fp32",
    threads=2,
)


class Formulas:
    """A runtime whose every part has a known latency, in steps of 64 tokens."""

    workload: Workload = DEIT

    def __init__(self, *, noise: float = 0.0, extra: float = 0.0) -> None:
        self.calls: Counter[tuple[str, int]] = Counter()
        self._noise = noise
        self._extra = extra

    def _samples(
        self, part: str, count: int, latency_ns: float, repeats: int
    ) -> tuple[int, ...]:
        factors = cycle(
            (1.0, 1 - self._noise, 1 + self._noise, 1 - self._noise, 1 + self._noise)
        )
        taken = self.calls[part, count]
        self.calls[part, count] += repeats
        return tuple(
            round(latency_ns * factor) for factor in islice(factors, taken, taken + repeats)
        )

    def block_ns(self, count: int) -> int:
        """One block: 1 us, and 600 ns for every 64 tokens begun."""
        return 1000 + 600 * -(-count // 64)

    def mlp_ns(self, count: int) -> int:
        """One MLP half: a straight line."""
        return 500 + 2 * count

    def blocks_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """All blocks, one after the other."""
        return self._samples("blocks", count, 12 * self.block_ns(count), repeats)

    def mlps_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """All MLP halves, one after the other."""
        return self._samples("mlps", count, 12 * self.mlp_ns(count), repeats)

    def cut_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """A little more for every token kept."""
        return self._samples("cut", count, 300 + count, repeats)

    def ends_ns(self, *, repeats: int) -> tuple[int, ...]:
        """5 us."""
        return self._samples("ends", FULL, 5000, repeats)

    def model_ns(self, *, repeats: int) -> tuple[int, ...]:
        """The ends and the blocks, and what only the whole model costs."""
        whole = (5000 + 12 * self.block_ns(FULL)) * (1 + self._extra)
        return self._samples("model", FULL, whole, repeats)

    def environment(self) -> Environment:
        """The same each time."""
        return HERE
