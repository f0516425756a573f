from __future__ import annotations

from collections.abc import Callable

import pytest

from latmodel.curve import Curve
from latmodel.errors import MeasurementError
from latmodel.measurement import Measurement
from latmodel.planning import first_counts, next_count
from latmodel.readings import Reading, Readings
from latmodel.rounds import next_counts, next_rows, probes_of

FULL = 197
COUNTS = range(1, FULL + 1)

Device = Callable[[str, int], int]


def staircase(part: str, count: int) -> int:
    """A step every 64 tokens; MLP half and cut are a half and a tenth of a block."""
    share = {"block": 10, "mlp": 5, "cut": 1, "ends": 3, "model": 130}[part]
    return share * (1_000 + 600 * -(-count // 64))


def measured(rows: tuple[tuple[str, int], ...], device: Device) -> tuple[Reading, ...]:
    return tuple(Reading(part, count, device(part, count)) for part, count in rows)


def counts_of(rows: tuple[tuple[str, int], ...], part: str) -> list[int]:
    return [count for name, count in rows if name == part]


@pytest.mark.parametrize("max_probes", [8, 14, 99])
def test_on_a_device_as_predicted_a_round_is_what_one_by_one_would_ask_for(
    max_probes: int,
) -> None:
    """There the prediction is the measurement, so both see the same curve."""
    probes = [Measurement(n, (staircase("block", n),)) for n in (1, 64, 65, 128, 129, 197)]
    predicted = Curve(tuple(probes)).latency_ns(COUNTS)
    together = next_counts(COUNTS, probes, 5, max_probes=max_probes)
    alone: list[int] = []
    while len(alone) < 5 and len(probes) < max_probes:
        count = next_count(COUNTS, probes, max_probes)
        assert count is not None
        alone.append(count)
        probes.append(Measurement.of(count, predicted[count - 1]))
        probes.sort(key=lambda probe: probe.count)
    assert together == tuple(alone)


def test_a_round_holds_new_counts_each_once() -> None:
    probes = [Measurement(n, (staircase("block", n),)) for n in (1, 64, 65, 128, 197)]
    chosen = next_counts(COUNTS, probes, 10, max_probes=99)
    assert len(set(chosen)) == 10
    assert set(chosen) <= set(COUNTS) - {1, 64, 65, 128, 197}
    assert next_counts(COUNTS, probes, 3, max_probes=99) == chosen[:3]
    in_all = len(probes) + 3
    last = next_counts(COUNTS, probes, 10, max_probes=in_all)
    assert len(set(last) - {1, 64, 65, 128, 197}) == len(last) == 3
    assert next_counts(COUNTS, probes, 2, max_probes=in_all) == last[:2]


def test_a_round_ends_with_the_counts() -> None:
    probes = [Measurement(n, (100 * n,)) for n in (1, 5)]
    assert sorted(next_counts(range(1, 6), probes, 10, max_probes=99)) == [2, 3, 4]


@pytest.mark.parametrize("probes", [(), (Measurement(1, (5,)),)])
def test_a_round_goes_on_from_two_probes_at_least(probes: tuple[Measurement, ...]) -> None:
    with pytest.raises(MeasurementError) as caught:
        next_counts(COUNTS, probes, 2, max_probes=99)
    assert str(caught.value) == (f"{len(probes)} probes: at least two are needed to go on from")


def test_the_first_round_spans_the_range_and_holds_every_part() -> None:
    rows = next_rows(FULL, Readings(()), max_probes=24)
    assert {(part, n) for part in ("block", "mlp", "cut") for n in (1, FULL)} <= set(rows)
    assert set(counts_of(rows, "block")) == set(first_counts(COUNTS, 24))
    assert set(counts_of(rows, "mlp")) == set(first_counts(COUNTS, 8))
    assert set(counts_of(rows, "cut")) == set(first_counts(COUNTS, 4))
    assert counts_of(rows, "ends") == counts_of(rows, "model") == [FULL]


@pytest.mark.parametrize(("max_probes", "round_size"), [(2, 1), (3, 5), (9, 2), (24, 6)])
def test_rounds_end_with_exactly_the_probes_allowed(max_probes: int, round_size: int) -> None:
    """None twice, none beyond, and no round after the first larger than asked."""
    readings, sizes = Readings(()), []
    while rows := next_rows(FULL, readings, max_probes=max_probes, round_size=round_size):
        assert len(set(rows)) == len(rows)
        assert not set(rows) & {(row.part, row.count) for row in readings.rows}
        sizes.append(len(counts_of(rows, "block")))
        readings = Readings((*readings.rows, *measured(rows, staircase)))
    assert all(size <= round_size for size in sizes[1:])
    assert sum(sizes) == max_probes
    found = {part: len(readings.measurements(part)) for part in probes_of(FULL, max_probes)}
    assert found == probes_of(FULL, max_probes)


def test_rounds_find_the_steps_of_a_staircase() -> None:
    readings = Readings(())
    while rows := next_rows(FULL, readings, max_probes=24):
        readings = Readings((*readings.rows, *measured(rows, staircase)))
    curve = Curve(readings.measurements("block"))
    assert [edge.count for edge in curve.edges() if edge.located] == [64, 128, 192]


def test_what_was_asked_for_and_not_measured_is_asked_for_again() -> None:
    first = next_rows(FULL, Readings(()), max_probes=24)
    half = Readings(()).asking(first[::2])
    assert next_rows(FULL, half, max_probes=24) == first
    done = Readings(measured(first[1:], staircase))
    assert next_rows(FULL, done, max_probes=24)[0] == first[0] == ("block", 1)


def test_counts_that_nobody_asked_for_are_probes_too() -> None:
    """Both ends of the range are still asked for, and then nothing is."""
    own = Readings(measured(tuple(("block", n) for n in range(50, 60)), staircase))
    rows = next_rows(FULL, own, max_probes=10)
    assert counts_of(rows, "block") == [1, FULL]
    spanned = Readings((*own.rows, *measured(rows, staircase)))
    assert counts_of(next_rows(FULL, spanned, max_probes=10), "block") == []


def test_a_model_of_few_tokens_is_measured_whole() -> None:
    readings = Readings(())
    while rows := next_rows(3, readings, max_probes=24):
        readings = Readings((*readings.rows, *measured(rows, staircase)))
    assert [probe.count for probe in readings.measurements("block")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_probes": 1}, "max_probes is 1: must be 2 or more"),
        ({"round_size": 0}, "round_size is 0: must be 1 or more"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        next_rows(FULL, Readings(()), **options)
    assert str(caught.value) == message
