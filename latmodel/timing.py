"""Time callables: until calls are ready, and several in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns

__all__ = ["Clock", "host_clock", "interleave_ns", "settle"]

_Call = Callable[[], object]

Clock = Callable[[_Call], int]
"""Times one call until its work is done, in ns: 1 or more."""

_QUICKER = 0.9
"""A call is ready once calls take more than nine tenths of the fastest before them: what
compiles, allocates or tunes makes the calls after it far quicker than that."""


def _nothing() -> None:
    """Who need not be told."""


def host_clock(call: _Call) -> int:
    """The time from call to return on the host's clock, in ns."""
    start = perf_counter_ns()
    call()
    return max(perf_counter_ns() - start, 1)


def settle(read: Callable[[], int], *, calm: int = 2, most: int = 20) -> int:
    """Take readings until they get no quicker, so that none that is kept holds a compilation.

    Args:
        read: takes one reading, in ns.
        calm: readings in a row that must not be quicker by a tenth than the fastest before.
        most: readings at most; what gets quicker for ever is timed all the same.

    Returns:
        The fastest reading, in ns; none is to be kept as a measurement.

    >>> latencies = iter([9_000_000, 40_000, 1_000, 1_020, 990, 1_000])
    >>> settle(lambda: next(latencies))
    990
    """
    fastest, still = read(), 0
    for _ in range(most - 1):
        taken = read()
        still = still + 1 if taken > _QUICKER * fastest else 0
        fastest = min(fastest, taken)
        if still == calm:
            break
    return fastest


def interleave_ns(
    calls: Mapping[str, _Call],
    *,
    clock: Clock = host_clock,
    warmup: int = 2,
    rounds: int = 20,
    on_round: _Call = _nothing,
) -> dict[str, tuple[int, ...]]:
    """Samples of several callables, taken in turn, so that drift meets all alike.

    The order turns around from round to round, so that none always follows the same.

    Args:
        calls: what is timed, by name.
        clock: times one call.
        warmup: rounds before the first sample.
        rounds: samples of each.
        on_round: called after each round, for a progress bar.

    Returns:
        By name, shape (rounds,), in ns; sample ``i`` of each was taken in round ``i``.
    """
    samples: dict[str, list[int]] = {name: [] for name in calls}
    for turn in range(-warmup, rounds):
        names = list(calls) if turn % 2 else list(calls)[::-1]
        for name in names:
            taken = clock(calls[name])
            if turn >= 0:
                samples[name].append(taken)
        on_round()
    return {name: tuple(taken) for name, taken in samples.items()}
