from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel import journal as journals
from latmodel.clocks import Clocks
from latmodel.errors import EnvironmentMismatchError, FieldError, JournalError, LatmodelError
from latmodel.fields import Fields
from latmodel.journal import PHASES, Journal, remove_journal
from latmodel.measuring import PartTimer, probe_profile
from latmodel.parts import PARTS
from latmodel.profile import DeviceProfile
from latmodel.session import Session
from tests.latmodel.formulas import DEIT, FULL, HERE, Formulas
from tests.latmodel.strategies import environments, workloads

SESSION = Session(DEIT, HERE, {"max_probes": 3, "target": 0.01})
_Line = tuple[str, str, int, tuple[int, ...]]
LINES: list[_Line] = [
    ("choose", "blocks", 197, (7, 8, 9)),
    ("turn", "blocks", 197, (5,)),
    ("turn", "cut", 1, (6,)),
    ("turn", "blocks", 197, (4,)),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "here.yaml.partial"


def written(place: Path, lines: list[_Line] = LINES) -> bytes:
    """The journal of one session, and what it holds."""
    journal = Journal.begin(place, SESSION)
    for line in lines:
        journal.append(*line)
    journal.close()
    return place.read_bytes()


def resumed(place: Path) -> Journal:
    """What a journal holds; nothing is added to it."""
    journal = Journal.resume(place, SESSION)
    journal.close()
    return journal


def held(journal: Journal) -> list[_Line]:
    """All that is recorded, key by key as `LINES` has them."""
    found = []
    for phase, part, count, _ in sorted(LINES):
        samples = journal.recorded(phase, part, count)
        if samples is not None:
            found.append((phase, part, count, samples))
    return found


def test_readings_come_back_in_the_order_they_were_taken(place: Path) -> None:
    written(place)
    journal = resumed(place)
    assert journal.left == 4
    assert journal.recorded("turn", "blocks", 197) == (5,)
    assert journal.recorded("turn", "blocks", 197) == (4,)
    assert journal.recorded("turn", "blocks", 197) is None
    assert journal.recorded("choose", "blocks", 197) == (7, 8, 9)
    assert journal.recorded("turn", "mlps", 1) is None
    assert journal.left == 1


def test_a_reading_is_on_file_before_the_next_is_taken(place: Path) -> None:
    with closing(Journal.begin(place, SESSION)) as journal:
        for number, line in enumerate(LINES, start=1):
            journal.append(*line)
            assert place.read_bytes().count(b"\n") == 1 + number


def test_a_journal_cut_anywhere_goes_on_with_its_whole_lines(place: Path) -> None:
    """At every byte: what is dropped is the one line that was being written."""
    data = written(place)
    for cut in range(len(data) + 1):
        place.write_bytes(data[:cut])
        journal = Journal.resume(place, SESSION)
        whole = max(data[:cut].count(b"\n") - 1, 0)
        assert journal.left == whole
        assert sorted(held(journal)) == sorted(LINES[:whole])
        for line in LINES[whole:]:
            journal.append(*line)
        assert place.read_bytes() == data  # at once
        journal.close()


def test_reading_stands_on_every_phase_and_part(place: Path) -> None:
    every: list[_Line] = [(phase, part, 9, (1,)) for phase in PHASES for part in PARTS]
    written(place, every)
    assert resumed(place).left == len(every)


HEADER = json.dumps(SESSION.to_dict())
READING = '{"phase": "turn", "part": "cut", "count": 1, "samples_ns": [6]}'


@pytest.mark.parametrize(
    ("number", "line", "problem"),
    [
        (1, READING, "header.format: missing"),
        (
            1,
            HEADER.replace('"format": 1', '"format": 2'),
            "header.format: found an integer 2, allowed is 1",
        ),
        (
            1,
            HEADER.replace('"max_probes": 3', '"max_probes": "3"'),
            "header.settings.max_probes: found text '3', allowed is a finite number",
        ),
        (
            1,
            HEADER.replace('"depth": 12', '"depth": 0'),
            "header.workload.depth: found an integer 0, allowed is an integer of 1 or more",
        ),
        (1, HEADER[:-1] + ', "more": 1}', "header.more: unknown key; known here are format, "),
        (2, "", "not valid JSON"),
        (2, "{", "not valid JSON"),
        (2, "\x00" * 9, "not valid JSON"),
        (2, "\xff", "reading: found nothing"),
        (2, "[" * 9999, "not valid JSON"),
        (2, "9" * 9999, "not valid JSON"),
        (2, "[]", "reading: found a list, allowed is a mapping"),
        (2, HEADER, "reading.phase: missing"),
        (
            2,
            READING.replace("turn", "later"),
            "reading.phase: found text 'later', allowed is one of choose, turn",
        ),
        (
            2,
            READING.replace("cut", "heads"),
            "reading.part: found text 'heads', allowed is one of blocks, mlps, cut, ends, ",
        ),
        (
            2,
            READING.replace("1,", "198,"),
            "reading.count: found an integer 198, allowed is at most 197, the full count",
        ),
        (
            2,
            READING.replace("1,", "true,"),
            "reading.count: found a yes/no value True, allowed is an integer of 1 or more",
        ),
        (
            2,
            READING.replace("[6]", "[6, 0]"),
            "reading.samples_ns.1: found an integer 0, allowed is an integer of 1 or more",
        ),
        (
            2,
            READING.replace("[6]", "[]"),
            "reading.samples_ns: found a list, allowed is one sample at least",
        ),
        (2, READING[:-1] + ', "part": "cut"}', "duplicate key in a mapping"),
        (2, READING[:-1] + ', "unit": "ns"}', "reading.unit: unknown key; known here are "),
        (2, READING + " " * 65_536, "longer than 65536 bytes"),
    ],
)
def test_a_malformed_line_is_refused_by_its_number(
    place: Path, number: int, line: str, problem: str
) -> None:
    """Even the last, once it has its end; and the file stays as it is."""
    lines = [HEADER, READING]
    lines[number - 1] = line if line != "\xff" else "null"
    data = "".join(f"{one}\n" for one in lines).encode()
    place.write_bytes(data)
    with pytest.raises(FieldError) as caught:
        Journal.resume(place, SESSION)
    assert str(caught.value).startswith(f"{place}: line {number}: {problem}")
    assert place.read_bytes() == data


def test_text_that_is_not_utf8_is_refused(place: Path) -> None:
    place.write_bytes(HEADER.encode() + b"\n\xff\n")
    with pytest.raises(FieldError) as caught:
        Journal.resume(place, SESSION)
    assert str(caught.value) == f"{place}: line 2: not valid JSON"


@given(damage=st.binary(max_size=40), at=st.integers(0, 2000))
def test_no_damage_ends_in_anything_but_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes, at: int
) -> None:
    place = tmp_path_factory.mktemp("damaged") / "here.yaml.partial"
    data = written(place)
    place.write_bytes(data[:at] + damage + data[at + len(damage) :])
    try:
        Journal.resume(place, SESSION).close()
    except LatmodelError as error:
        assert str(place) in str(error)  # noqa: PT017 (it need not fail)


def test_a_file_too_large_is_refused_unparsed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = written(place)
    monkeypatch.setattr(journals, "MAX_BYTES", len(data) - 1)
    with pytest.raises(FieldError) as caught:
        Journal.resume(place, SESSION)
    assert str(caught.value) == (
        f"{place}: larger than {len(data) - 1} bytes, so no journal of ours"
    )
    monkeypatch.setattr(journals, "MAX_BYTES", len(data))
    assert resumed(place).left == 4


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"workload": replace(DEIT, batch=8)},
            "workload.batch is 8 here and 1 in the journal: go on with the same command, or "
            "remove the journal",
        ),
        (
            {"workload": replace(DEIT, model="vit")},
            "workload.model is 'vit' here and 'deit' in the journal: go on with the same "
            "command, or remove the journal",
        ),
        (
            {"settings": {"max_probes": 24, "target": 0.01}},
            "settings.max_probes is 24 here and 3 in the journal: go on with the same command, "
            "or remove the journal",
        ),
        (
            {"settings": {"max_probes": 3}},
            "settings.target is None here and 0.01 in the journal: go on with the same "
            "command, or remove the journal",
        ),
        (
            {"environment": replace(HERE, power_mode="15W")},
            "environments differ in power_mode: '15W' here, '' there; timings from both may "
            "not be joined: probe again into a new file",
        ),
    ],
)
def test_readings_of_something_else_are_not_joined(
    place: Path, change: dict[str, Any], problem: str
) -> None:
    data = written(place)
    with pytest.raises(EnvironmentMismatchError) as caught:
        Journal.resume(place, replace(SESSION, **change))
    assert str(caught.value) == f"{place}: {problem}"
    assert place.read_bytes() == data


@given(
    workload=workloads(),
    environment=environments(),
    settings=st.dictionaries(st.text(min_size=1), st.floats(0, 1e9), max_size=3),
)
def test_reading_a_session_inverts_writing(
    workload: Any, environment: Any, settings: dict[str, float]
) -> None:
    session = Session(workload, environment, settings)
    assert Session.from_fields(Fields(json.loads(json.dumps(session.to_dict())))) == session


def test_a_journal_is_not_written_over(place: Path) -> None:
    data = written(place)
    with pytest.raises(JournalError) as caught:
        Journal.begin(place, SESSION)
    assert str(caught.value) == (
        f"{place}: the journal of an interrupted probe; go on with it by --resume, or remove it"
    )
    assert place.read_bytes() == data


def test_what_is_no_journal_is_refused(place: Path) -> None:
    with pytest.raises(JournalError) as missing:
        Journal.resume(place, SESSION)
    assert str(missing.value) == (
        f"{place}: there is no journal to go on with; leave --resume out"
    )
    place.mkdir()
    with pytest.raises(JournalError) as folder:
        Journal.resume(place, SESSION)
    assert str(folder.value) == f"{place}: is no regular file, so no journal; remove it"
    with pytest.raises(JournalError) as kept:
        remove_journal(place)
    assert str(kept.value).startswith(f"{place}: cannot remove: ")


def test_a_place_that_cannot_be_written_is_refused(place: Path) -> None:
    with pytest.raises(JournalError) as caught:
        Journal.begin(place / "deeper", SESSION)
    assert str(caught.value) == f"{place / 'deeper'}: cannot write: No such file or directory"


def test_removing_what_is_gone_is_no_error(place: Path) -> None:
    written(place)
    remove_journal(place)
    remove_journal(place)
    assert not place.exists()


class Interrupted(Formulas):
    """A device on which Ctrl-C is pressed during one call."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self._last = last

    def _samples(
        self, part: str, count: int, latency_ns: float, repeats: int
    ) -> tuple[int, ...]:
        if self.calls.total() >= self._last:
            raise KeyboardInterrupt
        return super()._samples(part, count, latency_ns, repeats)


def probed(
    timer: PartTimer, journal: Path | None = None, *, resume: bool = False
) -> DeviceProfile:
    return probe_profile(
        timer,
        name="here",
        max_probes=3,
        journal=journal,
        resume=resume,
        clocks=lambda _: Clocks(),
    )


def test_an_interrupted_probe_that_goes_on_gives_the_same_profile(place: Path) -> None:
    """Wherever it was interrupted, and only what was missing is timed again."""
    whole = Formulas()
    truth = probed(whole)
    # Warm-up, and one call thrown away for each part and count, are made in each session.
    again = 4 + len(whole.calls)
    for last in range(4, whole.calls.total(), 7):
        with pytest.raises(KeyboardInterrupt):
            probed(Interrupted(last), place)
        rest = Formulas()
        assert probed(rest, place, resume=True) == truth
        assert rest.calls.total() <= whole.calls.total() - last + again + 3
        place.unlink()


def test_interrupted_twice_is_as_good(place: Path) -> None:
    truth = probed(Formulas())
    with pytest.raises(KeyboardInterrupt):
        probed(Interrupted(60), place)
    with pytest.raises(KeyboardInterrupt):
        probed(Interrupted(60), place, resume=True)
    assert probed(Formulas(), place, resume=True) == truth


class Numbered(Formulas):
    """No two readings are alike, so that each can be found again."""

    def __init__(self, first: int, last: int = 10**9, *, about_ns: int = 10**7) -> None:
        super().__init__()
        self._first, self._last, self._about_ns = first, last, about_ns

    def _samples(
        self, part: str, count: int, _latency_ns: float, repeats: int
    ) -> tuple[int, ...]:
        number = self._first + self.calls.total()
        if number >= self._last:
            raise KeyboardInterrupt
        self.calls[part, count] += repeats
        number += self._about_ns
        return tuple(range(number, number + repeats))


def kept(place: Path) -> dict[tuple[str, int], list[int]]:
    """The readings in turn that a journal holds, by part and count."""
    found: dict[tuple[str, int], list[int]] = {}
    for line in place.read_text().splitlines()[1:]:
        values = json.loads(line)
        if values["phase"] == "turn":
            found.setdefault((values["part"], values["count"]), []).extend(values["samples_ns"])
    return found


def test_readings_from_before_the_interrupt_are_in_the_profile(place: Path) -> None:
    """First, and in their order; those taken since come after them."""
    with pytest.raises(KeyboardInterrupt):
        probed(Numbered(0, 100), place)
    before = kept(place)
    assert before
    profile = probed(Numbered(5000), place, resume=True)
    for part in ("blocks", "mlps", "cut"):
        for probe in getattr(profile.curves[0], part).probes:
            old = before.get((part, probe.count), [])
            assert list(probe.samples_ns[: len(old)]) == old
            assert min(probe.samples_ns[len(old) :]) >= 10**7 + 5000
            assert list(probe.samples_ns) == kept(place)[part, probe.count]


def test_time_spent_before_the_interrupt_counts(place: Path) -> None:
    """A second each: half a minute is over, so all that is taken is the last reference.

    Nothing that was read is lost over that.
    """
    with pytest.raises(KeyboardInterrupt):
        probed(Numbered(0, 100, about_ns=10**9), place)
    before, rest = kept(place), Numbered(5000, about_ns=10**9)
    probed(rest, place, resume=True)
    after = kept(place)
    assert len(after.pop(("blocks", FULL))) == len(before.pop(("blocks", FULL))) + 1
    assert sum(map(len, after.values())) <= sum(map(len, before.values())) + 1


def test_readings_of_counts_that_are_not_chosen_any_more_are_told_of(place: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        probed(Interrupted(60), place)
    with place.open("a") as file:
        file.write('{"phase": "turn", "part": "mlps", "count": 77, "samples_ns": [6]}\n')
    (warning,) = probed(Formulas(), place, resume=True).warnings
    assert warning.startswith("1 readings of the interrupted probe are left out, ")


SLOWLY = """
import sys, time
from pathlib import Path
from tests.latmodel.formulas import Formulas
from tests.latmodel.test_journal import probed

class Slow(Formulas):
    def _samples(self, *args):
        time.sleep(0.005)
        return super()._samples(*args)

probed(Slow(), Path(sys.argv[1]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills like SIGKILL")
def test_a_killed_process_loses_one_reading(place: Path) -> None:
    """Kill -9 in the middle; what it left is gone on with."""
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen([sys.executable, "-c", SLOWLY, str(place)], cwd=root) as process:  # noqa: S603 (our own code)
        try:
            while process.poll() is None and _lines(place) < 40:
                time.sleep(0.002)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    rest = Formulas()
    assert probed(rest, place, resume=True) == probed(Formulas())
    assert rest.calls["blocks", FULL] > 0


def _lines(place: Path) -> int:
    return place.read_bytes().count(b"\n") if place.exists() else 0
