from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from latmodel.curve import Curve, Edge
from latmodel.errors import FieldError, LatmodelError, MeasurementError
from latmodel.fields import Fields
from latmodel.measurement import Measurement
from latmodel.workload import Workload
from tests.latmodel.strategies import curves


def through(*points: tuple[int, int]) -> Curve:
    """A curve through (count, latency) points, one sample each."""
    return Curve(tuple(Measurement(count, (latency,)) for count, latency in points))


@st.composite
def asked(draw: st.DrawFn) -> tuple[Curve, list[int]]:
    """A curve and counts within it."""
    curve = draw(curves())
    count = st.integers(curve.counts[0], curve.counts[-1])
    return curve, draw(st.lists(count, min_size=1, max_size=9))


def test_a_curve_needs_a_probe() -> None:
    with pytest.raises(MeasurementError) as caught:
        Curve(())
    assert str(caught.value) == "a curve needs at least one probe"


@pytest.mark.parametrize("after", [8, 7])
def test_probes_ascend(after: int) -> None:
    with pytest.raises(MeasurementError) as caught:
        through((1, 5), (8, 5), (after, 5))
    assert str(caught.value) == f"probe counts must ascend: {after} stands after 8"


@given(points=st.dictionaries(st.integers(1, 400), st.integers(10**5, 10**9), min_size=1))
def test_a_curve_is_exact_at_probes_without_noise(points: dict[int, int]) -> None:
    curve = through(*sorted(points.items()))
    assert curve.latency_ns(curve.counts).tolist() == pytest.approx(
        [latency for _, latency in sorted(points.items())], rel=1e-9
    )
    assert curve.relative_error(curve.counts).tolist() == [0] * len(points)


@given(case=asked())
def test_latency_between_probes_is_of_their_size(case: tuple[Curve, list[int]]) -> None:
    """Never below the lower neighbour by more than it scatters, nor far above the higher."""
    curve, counts = case
    for count, latency in zip(counts, curve.latency_ns(counts), strict=True):
        left = max((p for p in curve.probes if p.count <= count), key=lambda p: p.count)
        right = min((p for p in curve.probes if p.count >= count), key=lambda p: p.count)
        low, high = sorted((left.centre_ns, right.centre_ns))
        # Noise may draw two neighbours towards the rest of the curve, but not out of it.
        lowest = min(probe.centre_ns for probe in curve.probes)
        highest = max(probe.centre_ns for probe in curve.probes)
        spread = max(probe.spread for probe in curve.probes)
        assert latency > 0
        if spread == 0:
            assert low * 0.97 <= latency <= high * 1.5
        else:
            assert lowest * 0.5 <= latency <= highest * 1.5


def test_a_curve_may_fall_and_jump() -> None:
    curve = through((1, 100), (3, 300), (4, 50), (8, 50), (10, 10))
    assert curve.latency_ns([1, 3, 4, 8, 10]).tolist() == pytest.approx([100, 300, 50, 50, 10])
    assert 100 < curve.latency_ns(2) < 300
    assert 10 < curve.latency_ns(9) < 50


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_any_shape_in_is_the_shape_out(shape: tuple[int, ...]) -> None:
    curve, counts = through((1, 10), (5, 50)), np.full(shape, 2)
    for answer in (curve.latency_ns, curve.relative_error, curve.upper_ns):
        assert answer(counts).shape == shape
        assert through((2, 7)).relative_error(counts).shape == shape


@pytest.mark.parametrize(("low", "high"), [(3, 9), (4, 11), (0, 12), (-5, -5)])
def test_outside_the_probes_there_is_no_curve(low: int, high: int) -> None:
    curve = through((4, 10), (9, 20))
    for answer in (curve.latency_ns, curve.relative_error, curve.upper_ns):
        with pytest.raises(LatmodelError) as caught:
            answer([low, 5, high] if low < high else low)
        assert str(caught.value) == (
            f"the curve was probed from 4 to 9 tokens; asked for {low} to {high}"
        )


@given(case=asked(), confidence=st.floats(0.5, 0.999))
def test_upper_is_no_less_than_the_centre_from_one_half_on(
    case: tuple[Curve, list[int]], confidence: float
) -> None:
    curve, counts = case
    assert np.all(curve.upper_ns(counts, confidence) >= curve.latency_ns(counts))


@given(case=asked(), confidences=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)))
def test_more_confidence_is_never_a_lower_bound(
    case: tuple[Curve, list[int]], confidences: tuple[float, float]
) -> None:
    curve, counts = case
    less, more = sorted(confidences)
    assert np.all(curve.upper_ns(counts, less) <= curve.upper_ns(counts, more))


@pytest.mark.parametrize("confidence", [0, 1, -0.1, 1.5, math.nan])
def test_a_confidence_lies_between_0_and_1(confidence: float) -> None:
    with pytest.raises(LatmodelError) as caught:
        through((1, 5)).upper_ns(1, confidence)
    assert str(caught.value) == f"confidence is {confidence}: must be between 0 and 1"


def test_error_vanishes_at_probes_and_is_largest_half_way_to_a_step() -> None:
    curve = through((1, 100), (9, 100), (17, 100), (25, 200), (33, 200))
    errors = curve.relative_error(range(1, 34))
    assert errors[[0, 8, 16, 24, 32]].tolist() == [0, 0, 0, 0, 0]
    assert 17 < 1 + int(errors.argmax()) < 25
    assert errors.max() > 0.2  # the step may lie on either side
    assert errors[:16].max() < errors.max() / 2


def test_error_is_large_where_probes_go_up_and_down() -> None:
    """Three moves in turn, each within a few tokens: only what was measured can be trusted."""
    calm = [(1, 100), (20, 101), (100, 105), (160, 108), (197, 110)]
    rough = [(60, 115), (64, 101), (67, 116), (72, 102), (78, 115), (84, 102)]
    curve = through(*sorted(calm + rough))
    assert curve.relative_error([62, 65, 70, 75, 80]).min() > 0.04
    assert curve.relative_error([10, 130, 180]).max() < 0.04
    stretches = curve.untrusted(within=0.04)
    assert any(first <= 65 and last >= 80 for first, last in stretches)
    assert not any(first <= 130 <= last for first, last in stretches)
    assert curve.untrusted(within=1.0) == ()


def test_noise_at_a_probe_is_an_error_at_a_probe() -> None:
    noisy = Curve(tuple(Measurement(n, (980, 1000, 1020, 1010, 990)) for n in (1, 50, 100)))
    assert 0.002 < noisy.relative_error(50) < 0.02
    # Three probes of one flat tread know it better than one alone.
    alone = Curve((noisy.probes[0],))
    assert noisy.relative_error(50) < alone.relative_error(1)


def test_one_slow_outlier_does_not_move_the_curve() -> None:
    calm = Curve((Measurement(1, (100, 101, 102)), Measurement(9, (300, 301, 302))))
    slow = Measurement(1, (100, 10**9, 101, 102))
    hasty = Curve((slow, calm.probes[1]))
    assert hasty.latency_ns([1, 5, 9]).tolist() == calm.latency_ns([1, 5, 9]).tolist()


def test_edges_up_and_down_are_located_between_neighbouring_probes() -> None:
    curve = through((1, 100), (64, 100), (65, 130), (128, 130), (129, 91), (197, 91))
    assert curve.edges() == (
        Edge(count=64, size=0.3, located=True, cause="tile of 64 rows"),
        Edge(count=128, size=-0.3, located=True, cause="kernel switch"),
    )


def test_an_edge_somewhere_between_probes_is_not_located() -> None:
    """From 10 to 12 tokens latency doubles; the step lies at 10 or at 11."""
    curve = through((1, 100), (10, 100), (12, 200), (20, 200))
    assert [(edge.count, edge.located) for edge in curve.edges()] == [(10, False), (11, False)]


def test_a_step_at_a_tiles_edge_is_foretold_where_others_were_seen() -> None:
    """65 and 129 were measured on both sides of their steps, 193 was not."""
    curve = through(
        *((1, 100), (32, 100), (64, 100), (65, 130), (100, 130)),
        *((128, 130), (129, 160), (160, 160), (197, 190)),
    )
    assert [(edge.count, edge.located) for edge in curve.edges()] == [
        (64, True), (128, True), (192, False),
    ]  # fmt: skip


def test_causes_use_the_shapes_that_ran() -> None:
    """Eight images of 8 tokens are 64 rows; the MLP makes the whole step."""
    workload = Workload(
        model="paper",
        depth=2,
        dim=64,
        heads=2,
        head_dim=32,
        mlp_width=256,
        tokens=17,
        prefix=1,
        patch_inputs=48,
        classes=10,
        batch=8,
    )
    blocks = through((1, 100), (7, 100), (8, 100), (9, 130), (17, 130))
    mlps = through((1, 50), (7, 50), (8, 50), (9, 80), (17, 80))
    (edge,) = blocks.edges(workload=workload, mlps=mlps)
    assert (edge.count, edge.cause) == (8, "tile of 64 rows in the MLP")


def test_free_tokens_are_the_furthest_that_cost_no_more() -> None:
    curve = through(
        (1, 100), (64, 100), (65, 130), (128, 130), (129, 125), (140, 125), (197, 180)
    )
    assert curve.free_tokens(1) == 63
    assert curve.free_tokens(64) == 0
    # Past 128 latency falls, so that more tokens still cost no more than 65.
    assert curve.free_tokens(65) >= 140 - 65
    with pytest.raises(LatmodelError):
        curve.free_tokens(198)


def test_probes_that_span_too_much_are_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        through((1, 5), (200_001, 6))
    assert str(caught.value) == ("probes span 1 to 200001 tokens: must be fewer than 200000")


@given(points=st.dictionaries(st.integers(1, 60), st.integers(10**5, 10**7), min_size=1))
def test_located_edges_are_exactly_the_steps_between_neighbouring_probes(
    points: dict[int, int],
) -> None:
    """Nothing else can be told to the exact count."""
    curve = through(*sorted(points.items()))
    steps = {
        left.count: right.centre_ns / left.centre_ns - 1
        for left, right in pairwise(curve.probes)
        if right.count == left.count + 1
    }
    assume(all(abs(abs(size) - 0.05) > 1e-9 for size in steps.values()))
    found = {edge.count: edge.size for edge in curve.edges() if edge.located}
    assert found == pytest.approx({c: s for c, s in steps.items() if abs(s) >= 0.05}, rel=1e-5)


@given(curve=curves())
def test_reading_inverts_writing(curve: Curve) -> None:
    assert Curve.from_fields(Fields({"blocks": curve.to_list()}), "blocks") == curve


def test_a_malformed_curve_names_its_place() -> None:
    probe = {"count": 4, "samples_ns": [1]}
    for probes, message in (
        ([], "here.blocks: a curve needs at least one probe"),
        ([probe, probe], "here.blocks: probe counts must ascend: 4 stands after 4"),
        ([probe, 3], "here.blocks[1]: found an integer 3, allowed is a mapping"),
        ({}, "here.blocks: found a mapping, allowed is a list"),
    ):
        with pytest.raises(FieldError) as caught:
            Curve.from_fields(Fields({"blocks": probes}, "here"), "blocks")
        assert str(caught.value) == message


def test_more_probes_than_can_be_judged_are_refused() -> None:
    """A file of a megabyte may hold ten thousands."""
    with pytest.raises(MeasurementError) as caught:
        through(*((count, 5) for count in range(1, 4098)))
    assert str(caught.value) == "4097 probes: must be at most 4096; leave some out"


@pytest.mark.parametrize("threshold", [0, -0.1, math.nan])
def test_a_threshold_is_above_0(threshold: float) -> None:
    with pytest.raises(LatmodelError) as caught:
        through((1, 5), (9, 9)).edges(threshold)
    assert str(caught.value) == f"threshold is {threshold}: must be above 0"


@pytest.mark.parametrize("tolerance", [-0.1, math.nan])
def test_a_tolerance_is_not_negative(tolerance: float) -> None:
    with pytest.raises(LatmodelError) as caught:
        through((1, 5), (9, 9)).free_tokens(5, tolerance=tolerance)
    assert str(caught.value) == f"tolerance is {tolerance}: must be 0 or more"


@pytest.mark.parametrize(
    "latency",
    [
        lambda n: 10.0 ** (9 - n // 4),
        lambda n: 10.0 ** (n // 4),
        lambda n: {1: 1, 5: 2, 9: 27, 13: 7, 17: 1}.get(n, 2) * 1e5,
    ],
)
def test_no_latency_is_below_what_stands_beside_it(latency: Callable[[int], float]) -> None:
    """Growth by powers, and a leap: a bend through them would swing below zero."""
    curve = through(*((n, round(latency(n))) for n in range(1, 34, 4)))
    lowest = min(probe.centre_ns for probe in curve.probes)
    assert curve.latency_ns(range(1, 34)).min() >= 0.9 * lowest


def test_an_mlp_that_was_not_measured_there_says_nothing_of_a_step() -> None:
    """All of the step at 77 is the MLP's, but its eight probes smear it out."""
    blocks = through((1, 100), (60, 100), (77, 100), (78, 140), (197, 140))
    coarse = through((1, 50), (60, 50), (120, 90), (197, 90))
    exact = through((1, 50), (77, 50), (78, 90), (197, 90))
    assert [edge.cause for edge in blocks.edges(mlps=coarse)] == ["end of the launch floor"]
    assert [edge.cause for edge in blocks.edges(mlps=exact)] == ["end of the launch floor"]
    later = through((1, 50), (60, 100), (77, 100), (78, 140), (197, 140))
    assert later.edges(0.2, mlps=coarse)[-1].cause == "kernel switch"
    assert later.edges(0.2, mlps=exact)[-1].cause == "kernel switch in the MLP"


def test_a_slope_from_the_first_count_on_is_no_floor() -> None:
    curve = through(*((n, 1000 * n) for n in range(1, 14)))
    assert all("floor" not in edge.cause for edge in curve.edges())
