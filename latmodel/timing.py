"""Time a callable until it is warm, until its median is known well enough, or time is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns

from latmodel.measurement import Measurement

__all__ = ["interleave_ns", "time_ns", "warm_up"]

_Call = Callable[[], object]


def _once_ns(call: _Call, synchronize: _Call) -> int:
    start = perf_counter_ns()
    call()
    synchronize()
    return max(perf_counter_ns() - start, 1)


def _nothing() -> None:
    """A processor that has finished when the call returns needs no waiting for."""


def warm_up(
    read: Callable[[], int],
    *,
    agreeing: int = 4,
    within: float = 0.03,
    most: int = 25,
    limit_s: float = 3.0,
) -> tuple[int, ...]:
    """Take readings until the last few agree, so that caches and clocks have settled.

    Args:
        read: takes one reading, in ns.
        agreeing: how many of the last readings must agree.
        within: how far the slowest of them may be above the fastest, as a fraction.
        most: readings at most; a noisy machine never agrees with itself.
        limit_s: seconds that the readings may take together.

    Returns:
        All readings, of which none is to be kept as a measurement.

    >>> lengths = iter([900, 700, 520, 500, 505, 500, 501])
    >>> len(warm_up(lambda: next(lengths), agreeing=3))
    6
    """
    taken: list[int] = []
    while len(taken) < most and sum(taken) < limit_s * 1e9:
        taken.append(read())
        last = taken[-agreeing:]
        if len(last) == agreeing and max(last) <= (1 + within) * min(last):
            break
    return tuple(taken)


def time_ns(
    call: _Call,
    *,
    synchronize: _Call = _nothing,
    warmup: int = 2,
    least: int = 5,
    most: int = 50,
    target: float = 0.01,
    limit_s: float = 1.0,
    patience_s: float = 6.0,
) -> tuple[int, ...]:
    """Samples of one callable's latency, in ns; every one is returned.

    Args:
        call: what is timed.
        synchronize: waits until the device has done what `call` queued.
        warmup: calls before the first sample, for caches, allocators and clocks.
        least: steady samples taken whatever their spread; at least so many in all.
        most: samples taken at most.
        target: stop when one standard error of the median is below this fraction of it.
        limit_s: stop when the samples took this long together, in seconds.
        patience_s: the same, while fewer than `least` samples are steady: another program
            that takes the processor for a while is waited for.
    """
    for _ in range(warmup):
        call()
    synchronize()
    samples: list[int] = []
    while len(samples) < most:
        samples.append(_once_ns(call, synchronize))
        if len(samples) < least:
            continue
        measured = Measurement(1, tuple(samples))
        enough = len(measured.steady_ns) >= least
        if sum(samples) > (limit_s if enough else patience_s) * 1e9:
            break
        if enough and measured.relative_error < target:
            break
    return tuple(samples)


def interleave_ns(
    calls: Mapping[str, _Call],
    *,
    synchronize: _Call = _nothing,
    warmup: int = 2,
    rounds: int = 20,
    on_round: _Call = _nothing,
) -> dict[str, tuple[int, ...]]:
    """Samples of several callables, taken in turn, so that drift meets all alike.

    The order turns around from round to round, so that none always follows the same.

    Args:
        calls: what is timed, by name.
        synchronize: waits until the device has done what was queued.
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
            taken = _once_ns(calls[name], synchronize)
            if turn >= 0:
                samples[name].append(taken)
        on_round()
    return {name: tuple(taken) for name, taken in samples.items()}
