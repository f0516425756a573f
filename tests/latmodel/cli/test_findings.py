from __future__ import annotations

from collections.abc import Callable, Container

from latmodel.cli.findings import findings
from latmodel.curve import Curve
from latmodel.measurement import Measurement
from latmodel.workload_curves import WorkloadCurves
from tests.latmodel.stairs import VIT

ENDS = (1, 101)


def said(latency_ns: Callable[[int], int], *, unknown: Container[int] = ()) -> list[str]:
    """The findings on 101 tokens, all of them measured but those `unknown`; flat MLP halves."""
    counts = [n for n in range(1, 102) if n not in unknown]
    blocks = Curve(tuple(Measurement(n, (latency_ns(n),)) for n in counts))
    flat = Curve(tuple(Measurement(n, (1000,)) for n in ENDS))
    return list(
        findings(WorkloadCurves(workload=VIT, blocks=blocks, mlps=flat, cut=flat, ends_ns=1))
    )


def stairs(first: int, *sizes: int) -> Callable[[int], int]:
    """A step every ten counts from `first` on, each a share of 10_000 ns in percent."""
    places = [first + 10 * k for k in range(len(sizes))]
    return lambda n: (
        10_000 + 100 * sum(size for place, size in zip(places, sizes, strict=True) if n > place)
    )


def test_a_step_is_told_with_its_cause_and_what_is_free_beyond_it() -> None:
    """36 % more after 64, a tenth less after 72, flat elsewhere."""
    assert said(lambda n: 10_000 + 3_600 * (n > 64) - 1_360 * (n > 72)) == [
        "  64 to 65 tokens: +36%, tile of 64 rows; 101 tokens cost no more than 65",
        "  72 to 73 tokens: -10%, kernel switch; 101 tokens cost no more than 73",
    ]


def test_free_tokens_end_at_the_next_step_and_none_are_not_told() -> None:
    """After 96 every token costs a little more."""
    assert said(
        lambda n: 10_000 + 3_000 * (n > 64) + 5_000 * (n > 96) + 100 * max(n - 96, 0)
    ) == [
        "  64 to 65 tokens: +30%, tile of 64 rows; 96 tokens cost no more than 65",
        "  96 to 97 tokens: +39%, tile of 32 rows",
    ]


def test_the_six_largest_are_told_from_the_left_and_the_rest_is_counted() -> None:
    lines = said(stairs(5, 50, 10, 60, 70, 80, 90, 30, 100))
    places = [line.split(" tokens")[0] for line in lines[:-1]]
    assert places == [f"  {n} to {n + 1}" for n in (5, 25, 35, 45, 55, 75)]
    assert lines[-1] == "  and 2 smaller"


def test_what_is_flat_and_measured_whole_needs_no_word() -> None:
    assert said(lambda _: 1000) == []


def test_counts_that_may_lie_on_either_side_of_a_step_are_told() -> None:
    """After 10 and after 40, which were not measured; nothing happens at 25 and 70."""
    assert said(stairs(10, 50, 0, 0, 50), unknown={10, 25, *range(38, 44), 70}) == [
        "  only measured counts can be trusted at 10, 38 to 43"
    ]


def test_many_such_stretches_are_cut_short() -> None:
    """Seven steps, each at a count that was not measured, with a trusted gap between."""
    unknown = {n for n in range(11, 80) if n % 10 in {1, 6}}
    assert said(stairs(11, *[30] * 7), unknown=unknown)[-1] == (
        "  only measured counts can be trusted at 11, 21, 31, 41, 51, 61 and elsewhere"
    )
