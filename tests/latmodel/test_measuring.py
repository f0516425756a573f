from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from latmodel.environment import Environment
from latmodel.errors import MeasurementError
from latmodel.measuring import PartTimer, probe_count, probe_profile
from latmodel.profile import CONFIDENCES, DeviceProfile
from latmodel.workload import Workload
from tests.latmodel.golden import PAPER_VIT

FULL = 197
DEIT = replace(PAPER_VIT, model="deit", depth=12, tokens=FULL)
HERE = Environment(
    device="Paper Board", runtime="torch eager", dtype="fp32", threads=2, torch="2.1.0"
)


class Formulas:
    """A runtime whose every part has a known latency, in steps of 64 tokens."""

    workload: Workload = DEIT

    def __init__(self, *, noise: float = 0.0, extra: float = 0.0) -> None:
        self.calls: Counter[tuple[str, int]] = Counter()
        self._noise = noise
        self._extra = extra

    def _samples(self, part: str, count: int, latency_ns: float) -> tuple[int, ...]:
        self.calls[part, count] += 1
        factors = (1.0, 1 - self._noise, 1 + self._noise, 1.0 - self._noise, 1 + self._noise)
        return tuple(round(latency_ns * factor) for factor in factors)

    def block_ns(self, count: int) -> int:
        """One block: 1 us, and 600 ns for every 64 tokens begun."""
        return 1000 + 600 * -(-count // 64)

    def mlp_ns(self, count: int) -> int:
        """One MLP half: a straight line."""
        return 500 + 2 * count

    def blocks_ns(self, count: int) -> tuple[int, ...]:
        """All blocks, one after the other."""
        return self._samples("blocks", count, 12 * self.block_ns(count))

    def mlps_ns(self, count: int) -> tuple[int, ...]:
        """All MLP halves, one after the other."""
        return self._samples("mlps", count, 12 * self.mlp_ns(count))

    def cut_ns(self, count: int) -> tuple[int, ...]:
        """A little more for every token kept."""
        return self._samples("cut", count, 300 + count)

    def ends_ns(self) -> tuple[int, ...]:
        """5 us."""
        return self._samples("ends", FULL, 5000)

    def model_ns(self) -> tuple[int, ...]:
        """The ends and the blocks, and what only the whole model costs."""
        whole = (5000 + 12 * self.block_ns(FULL)) * (1 + self._extra)
        return self._samples("model", FULL, whole)

    def environment(self) -> Environment:
        """The same each time."""
        return HERE


def probed(timer: PartTimer, max_probes: int = 24) -> DeviceProfile:
    return probe_profile(timer, name="here", max_probes=max_probes)


def test_the_table_is_what_the_formulas_say() -> None:
    """At every one of 197 counts, though only 24, 8 and 4 were timed."""
    timer = Formulas()
    table = probed(timer).table(DEIT)
    for column, count in enumerate(range(1, FULL + 1)):
        assert table.counts[column] == count
        assert table.segment_ns[:-1, column].tolist() == [timer.block_ns(count)] * 11
        assert table.segment_ns[-1, column] == pytest.approx(timer.mlp_ns(count), abs=1)
        assert table.cut_ns[:, column].tolist() == pytest.approx([300 + count] * 12, abs=1)
    attention_ns = timer.block_ns(FULL) - timer.mlp_ns(FULL)
    assert table.fixed_ns == pytest.approx(5000 + attention_ns, abs=1)


def test_few_counts_are_timed_and_none_twice() -> None:
    """The model as a whole is timed before and after."""
    timer = Formulas()
    probed(timer)
    spent = Counter(part for part, _ in timer.calls)
    assert spent == {"blocks": 24, "mlps": 8, "cut": 4, "ends": 1, "model": 1}
    assert timer.calls["model", FULL] == 2
    assert {times for (part, _), times in timer.calls.items() if part != "model"} == {1}


@pytest.mark.parametrize("max_probes", [2, 3, 6, 24])
def test_progress_never_runs_past_its_end(max_probes: int) -> None:
    told: list[str] = []
    timer = Formulas()
    probe_profile(timer, name="here", max_probes=max_probes, on_probe=told.append)
    assert len(told) <= probe_count(max_probes)
    assert Counter(told)["blocks"] == max_probes
    assert set(told) == {"model", "blocks", "MLP halves", "a cut"}


def test_a_profile_says_where_it_is_from() -> None:
    profile = probed(Formulas())
    assert (profile.name, profile.device, profile.environment) == ("here", "Paper Board", HERE)
    assert profile.confidence == CONFIDENCES[0]
    (source,) = profile.provenance
    assert source.source == "latmodel probe, torch eager 2.1.0"
    assert source.measured == (
        "blocks at 24 token counts, MLP halves at 8, a cut at 4, embedding and head"
    )
    assert profile.warnings == ()


@pytest.mark.parametrize(("extra", "percent"), [(0.0, 0.0), (0.25, 20.0), (-0.2, 25.0)])
def test_the_error_is_of_the_parts_against_the_whole(extra: float, percent: float) -> None:
    """In percent of the whole: parts of 100 against a whole of 125 are 20 % off."""
    (figure,) = probed(Formulas(extra=extra)).errors
    assert (figure.what, figure.rows) == ("the unpruned model, timed as a whole", 1)
    assert figure.mean_percent == pytest.approx(percent, abs=0.05)


def test_a_noisy_machine_is_warned_of() -> None:
    """Samples 10 % apart on both sides: their robust spread is 1.4826 times that."""
    profile = probed(Formulas(noise=0.1), max_probes=6)
    (warning,) = profile.warnings
    assert warning.startswith("6 of 6 probes spread by more than 10% (worst 15% at ")
    assert warning.endswith(" tokens): close other programs, lock the clocks and probe again")


def test_parts_that_do_not_add_up_are_warned_of() -> None:
    assert probed(Formulas(extra=0.25)).warnings == (
        "the parts come to 20% more or less than the whole model: the machine's speed changed "
        "while it was timed; close other programs and probe again",
    )
    assert probed(Formulas(extra=0.1)).warnings == ()


def test_a_little_noise_is_no_warning() -> None:
    assert probed(Formulas(noise=0.05)).warnings == ()


def test_fewer_than_two_probes_make_no_profile() -> None:
    with pytest.raises(MeasurementError) as caught:
        probed(Formulas(), max_probes=1)
    assert str(caught.value) == "max_probes is 1: must be 2 or more"


def test_a_part_that_takes_no_time_is_refused() -> None:
    class Broken(Formulas):
        def cut_ns(self, count: int) -> tuple[int, ...]:
            """No time at all."""
            return (0 * count,)

    with pytest.raises(MeasurementError) as caught:
        probed(Broken())
    assert str(caught.value) == "a sample at 1 tokens is 0 ns: must be positive"
