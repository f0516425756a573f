from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import cycle, islice

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


def test_counts_are_chosen_by_three_readings_and_known_by_fifteen() -> None:
    timer = Formulas()
    profile = probed(timer)
    spent = Counter(part for part, _ in timer.calls)
    assert spent == {"blocks": 24, "mlps": 8, "cut": 4, "ends": 1, "model": 1}
    for (part, _), taken in timer.calls.items():
        assert taken == (15 if part in ("ends", "model") else 3 + 15)
    for probe in profile.curves[0].blocks.probes:
        assert len(probe.samples_ns) == 15


def test_a_drifting_machine_bends_no_curve() -> None:
    """Slower with every reading, twice in all, and yet a flat tread stays nearly flat."""

    class Drifting(Formulas):
        def _samples(
            self, part: str, count: int, latency_ns: float, repeats: int
        ) -> tuple[int, ...]:
            slower = 1.001 ** sum(self.calls.values())
            return super()._samples(part, count, latency_ns * slower, repeats)

    table = probed(Drifting()).table(DEIT)
    tread = table.segment_ns[0, 70:127]
    assert tread.max() / tread.min() < 1.08
    assert table.segment_ns[0, 64] / table.segment_ns[0, 63] == pytest.approx(
        2.2 / 1.6, rel=0.03
    )


def test_no_round_makes_no_profile() -> None:
    with pytest.raises(MeasurementError) as caught:
        probe_profile(Formulas(), name="here", rounds=0)
    assert str(caught.value) == "rounds is 0: must be 1 or more"


@pytest.mark.parametrize("max_probes", [2, 3, 6, 24])
def test_progress_never_runs_past_its_end(max_probes: int) -> None:
    told: list[str] = []
    timer = Formulas()
    probe_profile(timer, name="here", max_probes=max_probes, on_probe=told.append)
    assert len(told) <= probe_count(max_probes)
    assert Counter(told)["choosing counts: blocks"] == max_probes
    assert told[-1] == "timing all counts, round 15 of 15"


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
        def cut_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
            """No time at all."""
            return (0 * count,) * repeats

    with pytest.raises(MeasurementError) as caught:
        probed(Broken())
    assert str(caught.value) == "a sample at 1 tokens is 0 ns: must be positive"
