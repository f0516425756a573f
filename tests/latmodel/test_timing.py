from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise, repeat

import pytest

from latmodel import timing
from latmodel.timing import host_clock, interleave_ns, settle


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


def test_the_hosts_clock_times_from_call_to_return(clock: Clock) -> None:
    call = clock.call(lasting_ns=[700, 500])
    assert [host_clock(call), host_clock(call)] == [700, 500]
    assert clock.log == ["call", "call"]


def test_a_clock_too_coarse_to_see_a_call_says_one_nanosecond(clock: Clock) -> None:
    """No latency is 0, which no measurement may be."""
    assert host_clock(clock.call()) == 1


def reading(lengths: Iterable[int], log: list[int]) -> Callable[[], int]:
    """Readings of so many ns, the last ever on."""
    given = _on_and_on(lengths)

    def read() -> int:
        log.append(next(given))
        return log[-1]

    return read


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
def test_a_call_is_settled_once_it_gets_no_quicker(lengths: list[int], calls: int) -> None:
    taken: list[int] = []
    assert settle(reading(lengths, taken)) == min(lengths)
    assert len(taken) == calls


@pytest.mark.parametrize(("calm", "calls"), [(1, 4), (2, 5), (4, 7)])
def test_the_calm_lasts_as_long_as_asked(calm: int, calls: int) -> None:
    """Counted anew from each reading that is quicker."""
    taken: list[int] = []
    settle(reading([9000, 5000, 100], taken), calm=calm)
    assert len(taken) == calls


def test_settling_ends() -> None:
    """What gets quicker for ever is timed all the same."""
    taken: list[int] = []
    assert settle(reading([2**30 >> n for n in range(30)], taken), most=20) == 2**11
    assert len(taken) == 20


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


def test_another_clock_takes_the_place_of_the_hosts(clock: Clock) -> None:
    """As a GPU's own, which waits for what the call queued."""
    call, wait = clock.call(lasting_ns=[10]), clock.call("wait", lasting_ns=[500])

    def gpu(call: timing._Call) -> int:
        call()
        wait()
        return 42

    assert interleave_ns({"a": call}, clock=gpu, warmup=1, rounds=2) == {"a": (42, 42)}
    assert clock.log == ["call", "wait"] * 3


def test_every_round_is_told(clock: Clock) -> None:
    interleave_ns({"a": clock.call("a")}, warmup=1, rounds=2, on_round=clock.call("told"))
    assert clock.log == ["a", "told"] * 3


def test_without_rounds_there_are_no_samples(clock: Clock) -> None:
    assert interleave_ns({"a": clock.call(), "b": clock.call()}, rounds=0) == {"a": (), "b": ()}
    assert interleave_ns({}) == {}
