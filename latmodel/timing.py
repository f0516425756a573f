"""Time a callable until its median is known well enough, or time is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns

from latmodel.measurement import Measurement

__all__ = ["Clock", "host_clock", "interleave_ns", "settle", "time_ns"]

_Call = Callable[[], object]

Clock = Callable[[_Call], int]
"""Times one call, in ns: 1 or more."""

_SETTLED = 2
_QUICKER = 0.9
"""A call is ready once two calls in a row took more than nine tenths of the fastest before
them: what compiles, allocates or tunes makes the calls after it far quicker than that."""


def _once_ns(call: _Call, synchronize: _Call) -> int:
    start = perf_counter_ns()
    call()
    synchronize()
    return max(perf_counter_ns() - start, 1)


def _nothing() -> None:
    """A processor that has finished when the call returns needs no waiting for."""


def host_clock(call: _Call) -> int:
    """The time from call to return on the host's clock, in ns."""
    return _once_ns(call, _nothing)


def settle(call: _Call, *, clock: Clock = host_clock, most: int = 20) -> int:
    """Call until calls get no quicker, so that no sample holds a compilation.

    Args:
        call: what will be timed.
        clock: times one call.
        most: calls at most.

    Returns:
        The fastest call, in ns.

    >>> latencies = iter([9_000_000, 40_000, 1_000, 1_020, 990, 1_000])
    >>> settle(lambda: None, clock=lambda _: next(latencies))
    990
    """
    fastest, calm = clock(call), 0
    for _ in range(most - 1):
        taken = clock(call)
        calm = calm + 1 if taken > _QUICKER * fastest else 0
        fastest = min(fastest, taken)
        if calm == _SETTLED:
            break
    return fastest


def time_ns(
    call: _Call,
    *,
    synchronize: _Call = _nothing,
    clock: Clock | None = None,
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
        clock: times one call in place of the host's clock and `synchronize`.
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
    once_ns = clock or (lambda call: _once_ns(call, synchronize))
    samples: list[int] = []
    while len(samples) < most:
        samples.append(once_ns(call))
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
