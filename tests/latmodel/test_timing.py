from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, cycle, islice, pairwise, repeat

import pytest

from latmodel import timing
from latmodel.timing import interleave_ns, settle, time_ns

SECOND = 10**9


class Clock:
    """A clock that stands still but for what is timed."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.log: list[str] = []

    def call(self, name: str = "call", lasting_ns: Iterable[int] = ()) -> timing._Call:
        """What is timed; each call lasts as the next of `lasting_ns` says, the last ever on."""
        lengths = _on_and_on(lasting_ns)

        def calling() -> None:
            self.log.append(name)
            self.now_ns += next(lengths)

        return calling


def _on_and_on(lengths: Iterable[int]) -> Iterator[int]:
    given = list(lengths)
    return chain(given, repeat(given[-1] if given else 0))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: made.now_ns)
    return made


def scattered(count: int) -> list[int]:
    """Latencies that never settle."""
    return list(islice(cycle((1000, 1200, 1400)), count))


def test_a_steady_call_is_sampled_as_often_as_the_least(clock: Clock) -> None:
    assert time_ns(clock.call(lasting_ns=[700]), least=5) == (700,) * 5


def test_a_call_that_never_settles_is_sampled_as_often_as_the_most(clock: Clock) -> None:
    assert time_ns(clock.call(lasting_ns=scattered(99)), warmup=0, most=50) == tuple(
        scattered(50)
    )


def test_sampling_ends_once_the_median_is_known_well_enough(clock: Clock) -> None:
    """The error of 90, 110 and 100 is 10.7 %, of these and another 100 it is 4.6 %."""
    lengths = [90, 110, 100, 100, 100, 100, 100]
    call = clock.call(lasting_ns=lengths)
    assert len(time_ns(call, warmup=0, least=3, target=0.11)) == 3
    again = clock.call(lasting_ns=lengths)
    assert time_ns(again, warmup=0, least=3, target=0.06) == (90, 110, 100, 100)


def test_sampling_ends_when_time_is_up(clock: Clock) -> None:
    """Nine calls of 1, 1.2 and 1.4 s in turn take 10.8 s, ten take 11.8 s."""
    lengths = [length * 10**6 for length in scattered(50)]
    samples = time_ns(clock.call(lasting_ns=lengths), warmup=0, most=50, limit_s=11)
    assert samples == tuple(lengths[:10])


def test_the_least_is_kept_however_long_it_takes(clock: Clock) -> None:
    slow = clock.call(lasting_ns=[60 * SECOND, 90 * SECOND])
    assert len(time_ns(slow, least=5, limit_s=1)) == 5


def test_interrupted_calls_are_waited_for(clock: Clock) -> None:
    """Five steady samples are wanted, and four calls lose the processor."""
    call = clock.call(lasting_ns=[1000, *[9000] * 4, 1000])
    assert time_ns(call, warmup=0, least=5) == (1000, *[9000] * 4, *[1000] * 4)


def test_patience_ends(clock: Clock) -> None:
    """One steady call, then none: 1 + 3 + 3 s are more than the 6 s of patience."""
    call = clock.call(lasting_ns=[SECOND, 3 * SECOND])
    assert len(time_ns(call, warmup=0, least=2, limit_s=1, patience_s=6)) == 3


@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_warmup_calls_are_made_and_thrown_away(clock: Clock, warmup: int) -> None:
    call = clock.call(lasting_ns=[9 * SECOND] * warmup + [50])
    assert time_ns(call, warmup=warmup, least=4) == (50,) * 4
    assert len(clock.log) == warmup + 4


def test_every_sample_waits_for_the_device(clock: Clock) -> None:
    """A queued call lasts until the device is done with it; warm-up is waited for once."""
    call, wait = clock.call(lasting_ns=[10]), clock.call("wait", lasting_ns=[500])
    assert time_ns(call, synchronize=wait, warmup=2, least=2) == (510, 510)
    assert clock.log == ["call", "call", "wait", "call", "wait", "call", "wait"]


def test_a_clock_too_coarse_to_see_a_call_says_one_nanosecond(clock: Clock) -> None:
    """No latency is 0, which no measurement may be."""
    assert time_ns(clock.call(), least=3) == (1, 1, 1)


def test_another_clock_takes_the_place_of_the_hosts(clock: Clock) -> None:
    """As a GPU's own: its call and its waiting are its own affair."""
    call, wait = clock.call(lasting_ns=[700]), clock.call("wait")

    def gpu(call: timing._Call) -> int:
        call()
        return 42

    assert time_ns(call, synchronize=wait, clock=gpu, warmup=1, least=3) == (42,) * 3
    assert clock.log == ["call", "wait", "call", "call", "call"]


@pytest.mark.parametrize(
    ("lengths", "calls"),
    [
        ([100], 3),  # ready from the start
        ([9000, 100], 4),  # one compilation
        ([9000, 8000, 500, 100], 6),  # ever quicker
        ([9000, 100, 80, 79], 5),  # a fifth quicker is not ready yet
        ([100, 300, 200], 3),  # interrupted, not quicker
    ],
)
def test_a_call_is_settled_once_it_gets_no_quicker(
    clock: Clock, lengths: list[int], calls: int
) -> None:
    assert settle(clock.call(lasting_ns=lengths)) == min(lengths)
    assert len(clock.log) == calls


def test_settling_ends(clock: Clock) -> None:
    """A call that gets quicker for ever is timed all the same."""
    assert settle(clock.call(lasting_ns=[2**30 >> n for n in range(30)]), most=20) == 2**11
    assert len(clock.log) == 20


def test_turns_are_paired_and_the_order_turns_around(clock: Clock) -> None:
    calls = {
        "dense": clock.call("dense", [1, 1, 10, 20, 30]),
        "cut": clock.call("cut", [1, 1, 5, 6, 7]),
    }
    samples = interleave_ns(calls, warmup=2, rounds=3)
    assert samples == {"dense": (10, 20, 30), "cut": (5, 6, 7)}
    rounds = [tuple(clock.log[i : i + 2]) for i in range(0, 10, 2)]
    assert {frozenset(names) for names in rounds} == {frozenset(calls)}
    assert all(one == other[::-1] for one, other in pairwise(rounds))


def test_drift_meets_all_alike(clock: Clock) -> None:
    """A machine that slows down with every call: the means of even rounds stay equal."""
    calls = {name: clock.call(name) for name in ("a", "b")}
    slowing = {name: _slowing(call, clock) for name, call in calls.items()}
    samples = interleave_ns(slowing, warmup=0, rounds=10)
    assert sum(samples["a"]) == sum(samples["b"])


def _slowing(call: timing._Call, clock: Clock) -> timing._Call:
    def calling() -> None:
        call()
        clock.now_ns += len(clock.log)

    return calling


def test_interleaved_samples_wait_for_the_device(clock: Clock) -> None:
    call, wait = clock.call(lasting_ns=[10]), clock.call("wait", lasting_ns=[500])
    assert interleave_ns({"a": call}, synchronize=wait, warmup=1, rounds=2) == {"a": (510, 510)}
    assert clock.log == ["call", "wait"] * 3


def test_every_round_is_told(clock: Clock) -> None:
    interleave_ns({"a": clock.call("a")}, warmup=1, rounds=2, on_round=clock.call("told"))
    assert clock.log == ["a", "told"] * 3


def test_without_rounds_there_are_no_samples(clock: Clock) -> None:
    assert interleave_ns({"a": clock.call(), "b": clock.call()}, rounds=0) == {"a": (), "b": ()}
    assert interleave_ns({}) == {}
