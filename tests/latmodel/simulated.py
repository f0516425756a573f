"""A machine whose latencies are planted, whose speed varies, and whose clock is its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from latmodel.interleaving import Key

__all__ = ["FULL", "PLANTED", "Machine", "steady"]

FULL: Key = ("blocks", 197)
"""The reference: 80 ms."""

PLANTED: dict[Key, float] = {
    **{("blocks", count): 80e6 * (0.1 + 0.9 * count / 197) for count in range(5, 198, 8)},
    **{("mlps", count): 40e6 * (0.1 + 0.9 * count / 197) for count in (1, 64, 65, 128, 197)},
    **{("cut", count): 4e5 + 1e3 * count for count in (1, 100, 197)},
}
"""What each key takes at the usual speed, in ns; about two seconds a round."""


def steady(_: float) -> float:
    """A machine that does not drift."""
    return 1.0


class Machine:
    """Takes readings, each of which moves the clock on by what it takes.

    Args:
        seed: of the noise.
        slowness: at a time in seconds, what every latency is multiplied by.
        noise: one standard deviation of a reading's logarithm.
        odd: the share of readings that take three times as long.
        burst: a key of whose readings three in ten take 1.3 times as long.
    """

    def __init__(
        self,
        seed: int,
        slowness: Callable[[float], float] = steady,
        *,
        noise: float = 0.02,
        odd: float = 0.0,
        burst: Key | None = None,
    ) -> None:
        self._random = Random(seed)  # noqa: S311 (no secret)
        self._slowness, self._noise, self._odd, self._burst = slowness, noise, odd, burst
        self.now_s = 0.0
        self.asked: list[Key] = []

    def clock(self) -> float:
        """The time in seconds."""
        return self.now_s

    def read(self, key: Key) -> int:
        """One reading, in ns."""
        factor = self._slowness(self.now_s) * math.exp(self._random.gauss(0, self._noise))
        if self._random.random() < self._odd:
            factor *= 3
        if key == self._burst and self._random.random() < 0.3:
            factor *= 1.3
        taken = round(PLANTED[key] * factor)
        self.now_s += taken / 1e9
        self.asked.append(key)
        return taken
