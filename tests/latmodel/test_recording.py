from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from latmodel.errors import MeasurementError
from latmodel.journal import Journal
from latmodel.recording import Recorder
from latmodel.session import Session
from tests.latmodel.formulas import DEIT, HERE

SESSION = Session(DEIT, HERE, {})


class Device:
    """Each call takes one ns more than the one before."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def read(self, part: str, count: int, repeats: int) -> tuple[int, ...]:
        """So many samples."""
        before = len(self.calls)
        self.calls += [(part, count)] * repeats
        return tuple(range(before + 1, before + repeats + 1))


def test_without_a_journal_every_reading_is_the_devices() -> None:
    device = Device()
    recorder = Recorder(device.read)
    assert recorder.read("choose", "blocks", 5, 2) == (1, 2)
    assert recorder.read("turn", "mlps", 6) == (3,)
    assert device.calls == [("blocks", 5), ("blocks", 5), ("mlps", 6)]
    assert recorder.replayed_s == 0


def test_what_is_on_file_is_not_timed_again(tmp_path: Path) -> None:
    """In the order it was taken; then the device goes on."""
    with closing(Journal.begin(tmp_path / "j", SESSION)) as journal:
        first = Recorder(Device().read, journal)
        taken = [first.read("turn", "blocks", 5) for _ in range(3)]
    device = Device()
    with closing(Journal.resume(tmp_path / "j", SESSION)) as journal:
        again = Recorder(device.read, journal)
        assert [again.read("turn", "blocks", 5) for _ in range(2)] == taken[:2]
        assert again.replayed_s == 0
        assert again.read("turn", "blocks", 5) == taken[2]
        assert device.calls == []
        assert again.replayed_s == pytest.approx(sum(ns for (ns,) in taken) / 1e9)
        assert again.read("turn", "blocks", 5) == (1,)
        assert again.read("choose", "blocks", 5, 1) == (2,)
        assert journal.left == 0


def test_readings_to_choose_by_are_not_charged_to_those_in_turn(tmp_path: Path) -> None:
    """Else a probe that goes on would have less time than one that was not interrupted."""
    with closing(Journal.begin(tmp_path / "j", SESSION)) as journal:
        first = Recorder(Device().read, journal)
        first.read("choose", "blocks", 5, 3)
        taken = first.read("turn", "blocks", 5)
    with closing(Journal.resume(tmp_path / "j", SESSION)) as journal:
        again = Recorder(Device().read, journal)
        again.read("choose", "blocks", 5, 3)
        again.read("turn", "blocks", 5)
        assert again.replayed_s == pytest.approx(sum(taken) / 1e9)


def test_time_to_make_parts_ready_is_told_apart() -> None:
    """3 s at the first reading of each part and count, beside samples of 1 s."""
    now_s = [0.0]
    seen: set[tuple[str, int]] = set()

    def read(part: str, count: int, repeats: int) -> tuple[int, ...]:
        now_s[0] += repeats + (0 if (part, count) in seen else 3)
        seen.add((part, count))
        return (10**9,) * repeats

    recorder = Recorder(read, clock=lambda: now_s[0])
    for _ in range(2):
        recorder.read("choose", "blocks", 5, 2)
        recorder.read("turn", "blocks", 6)
    assert (now_s[0], recorder.preparing_s) == (12, 6)


def test_a_sample_that_is_no_latency_never_reaches_the_file(tmp_path: Path) -> None:
    with (
        closing(Journal.begin(tmp_path / "j", SESSION)) as journal,
        pytest.raises(MeasurementError) as caught,
    ):
        Recorder(lambda *_: (0,), journal).read("turn", "cut", 7)
    assert str(caught.value) == "a sample at 7 tokens is 0 ns: must be positive"
    assert (tmp_path / "j").read_bytes().count(b"\n") == 1
