from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

from latmodel.clocks import Clocks
from latmodel.environment import Environment
from latmodel.errors import MeasurementError
from latmodel.measuring import Effort, PartTimer, probe_profile
from latmodel.profile import CONFIDENCES, DeviceProfile
from tests.latmodel.formulas import DEIT, FULL, HERE, Formulas


def unread(_: Environment) -> Clocks:
    """No clock of the machine that runs the tests belongs to the board on paper."""
    return Clocks()


def probed(timer: PartTimer, max_probes: int = 24) -> DeviceProfile:
    return probe_profile(timer, name="here", max_probes=max_probes, clocks=unread)


def test_the_table_is_what_the_formulas_say() -> None:
    """At every one of 197 counts to 2 % at most, though only 24, 8 and 4 were timed."""
    timer = Formulas()
    table = probed(timer).table(DEIT)
    for column, count in enumerate(range(1, FULL + 1)):
        assert table.counts[column] == count
        expected = [timer.block_ns(count)] * 11
        assert table.segment_ns[:-1, column].tolist() == pytest.approx(expected, rel=1e-2)
        assert table.segment_ns[-1, column] == pytest.approx(timer.mlp_ns(count), rel=1e-2)
        assert table.cut_ns[:, column].tolist() == pytest.approx([300 + count] * 12, rel=2e-2)
    attention_ns = timer.block_ns(FULL) - timer.mlp_ns(FULL)
    assert table.fixed_ns == pytest.approx(5000 + attention_ns, abs=1)


def test_counts_are_chosen_by_three_readings_and_known_by_seven() -> None:
    """Five of the full count, before them, are enough to see that it gets no quicker."""
    timer = Formulas()
    profile = probed(timer)
    spent = Counter(part for part, _ in timer.calls)
    assert spent == {"blocks": 24, "mlps": 8, "cut": 4, "ends": 1, "model": 1}
    references = 7 * (math.ceil(37 / 8) + 1)
    for (part, count), taken in timer.calls.items():
        if (part, count) == ("blocks", FULL):
            assert taken == 5 + 3 + references
        else:
            assert taken == 7 + (0 if part in ("ends", "model") else 3)
    for probe in profile.curves[0].blocks.probes:
        assert len(probe.samples_ns) == (references if probe.count == FULL else 7)
        assert probe.speeds == ()


def test_making_parts_ready_takes_no_time_from_the_readings() -> None:
    """A minute for each part and count; then all are known by seven rounds of 2 ms."""

    class Compiling(Formulas):
        now_s = 0.0

        def _samples(
            self, part: str, count: int, latency_ns: float, repeats: int
        ) -> tuple[int, ...]:
            self.now_s += 0 if self.calls[part, count] else 60
            samples = super()._samples(part, count, latency_ns, repeats)
            self.now_s += sum(samples) / 1e9
            return samples

    timer = Compiling()
    profile = probe_profile(
        timer, name="here", effort=Effort(limit_s=1), clock=lambda: timer.now_s, clocks=unread
    )
    assert {len(probe.samples_ns) for probe in profile.curves[0].mlps.probes} == {7}
    assert timer.calls["model", FULL] == 7


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
    assert tread.max() / tread.min() < 1.01
    assert table.segment_ns[0, 64] / table.segment_ns[0, 63] == pytest.approx(
        2.2 / 1.6, rel=0.01
    )


@pytest.mark.parametrize("max_probes", [2, 3, 6, 24])
def test_progress_of_every_phase_only_rises(max_probes: int) -> None:
    told: dict[str, list[float]] = {}

    def tell(phase: str, _: str, done: float) -> None:
        told.setdefault(phase, []).append(done)

    timer = Formulas()
    probe_profile(timer, name="here", max_probes=max_probes, on_progress=tell, clocks=unread)
    chosen = max_probes + min(max_probes, 8) + min(max_probes, 4)
    assert [*told] == ["warming up", "choosing counts", f"timing {chosen + 2} counts"]
    assert told["choosing counts"] == pytest.approx(
        [done / chosen for done in range(1, chosen + 1)]
    )
    timing = [*told.values()][-1]
    assert timing == sorted(timing)
    # Steady latencies are known after 7 of 60 rounds.
    assert timing[-1] == pytest.approx(7 / 60, abs=0.02)


def test_clocks_are_recorded_where_the_runtime_does_not_know_them() -> None:
    seen: list[Environment] = []

    def clocks(environment: Environment) -> Clocks:
        seen.append(environment)
        return Clocks(1300, "MAXN")

    here = probe_profile(Formulas(), name="here", max_probes=2, clocks=clocks).environment
    assert here == replace(HERE, clock_mhz=1300, power_mode="MAXN")
    assert seen == [HERE]


def test_a_clock_that_the_runtime_knows_is_kept() -> None:
    class Knowing(Formulas):
        def environment(self) -> Environment:
            """With a clock of its own."""
            return replace(HERE, clock_mhz=900)

    here = probe_profile(
        Knowing(), name="here", max_probes=2, clocks=lambda _: Clocks(1300, "MAXN")
    ).environment
    assert here == replace(HERE, clock_mhz=900, power_mode="MAXN")


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
    assert str(caught.value) == "a sample at 197 tokens is 0 ns: must be positive"
