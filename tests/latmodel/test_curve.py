from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from latmodel.curve import Curve, Edge
from latmodel.errors import FieldError, LatmodelError, MeasurementError
from latmodel.fields import Fields
from latmodel.measurement import Measurement
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


@given(curve=curves())
def test_a_curve_is_exact_at_its_probes(curve: Curve) -> None:
    centres = [probe.centre_ns for probe in curve.probes]
    assert curve.latency_ns(curve.counts).tolist() == centres


@given(case=asked())
def test_between_two_probes_latency_stays_within_them(case: tuple[Curve, list[int]]) -> None:
    curve, counts = case
    for count, latency in zip(counts, curve.latency_ns(counts), strict=True):
        left = max((p for p in curve.probes if p.count <= count), key=lambda p: p.count)
        right = min((p for p in curve.probes if p.count >= count), key=lambda p: p.count)
        low, high = sorted((left.centre_ns, right.centre_ns))
        assert low * (1 - 1e-12) <= latency <= high * (1 + 1e-12)


def test_a_curve_may_fall_and_jump() -> None:
    curve = through((1, 100), (3, 300), (4, 50), (8, 50), (10, 10))
    assert curve.latency_ns(range(1, 11)).tolist() == [
        100, 200, 300, 50, 50, 50, 50, 50, 30, 10,
    ]  # fmt: skip


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


@given(curve=curves())
def test_error_at_a_probe_is_the_probes_own(curve: Curve) -> None:
    ours = curve.relative_error(curve.counts)
    assert ours.tolist() == pytest.approx([probe.relative_error for probe in curve.probes])


@given(case=asked())
def test_error_between_probes_is_no_less_than_their_noise(
    case: tuple[Curve, list[int]],
) -> None:
    curve, counts = case
    noise = np.interp(counts, curve.counts, [probe.relative_error for probe in curve.probes])
    assert np.all(curve.relative_error(counts) >= noise * (1 - 1e-12))


def test_error_in_the_middle_is_a_quarter_of_the_rise() -> None:
    """No noise and no inner probe: what a hidden step could hide is all there is."""
    curve = through((1, 100), (5, 200))
    assert curve.relative_error(3) == pytest.approx(math.log(2) / 4)
    assert curve.relative_error(2) == pytest.approx(math.log(2) / 4 * 0.75)


def test_error_grows_with_how_far_probes_lie_from_their_neighbours_line() -> None:
    """Between equal probes there is no rise, but the bump beside them tells of more."""
    smooth = through((1, 100), (3, 100), (5, 100), (9, 100))
    rough = through((1, 100), (3, 150), (5, 100), (9, 100))
    assert smooth.relative_error(7) == 0
    assert rough.relative_error(7) > 0.1


def test_one_slow_outlier_does_not_move_the_curve() -> None:
    calm = Curve((Measurement(1, (100, 101, 102)), Measurement(9, (300, 301, 302))))
    slow = Measurement(1, (100, 10**9, 101, 102))
    hasty = Curve((slow, calm.probes[1]))
    assert hasty.latency_ns([1, 5, 9]).tolist() == calm.latency_ns([1, 5, 9]).tolist()


def test_edges_up_and_down_are_located_between_neighbouring_probes() -> None:
    curve = through((1, 100), (64, 100), (65, 130), (128, 130), (129, 91), (197, 91))
    assert curve.edges() == (
        Edge(count=64, size=0.3, located=True),
        Edge(count=128, size=-0.3, located=True),
    )


def test_an_edge_somewhere_between_probes_is_not_located() -> None:
    """From 10 to 12 tokens latency doubles; the step lies at 10 or at 11."""
    curve = through((1, 100), (10, 100), (12, 200), (20, 200))
    assert curve.edges() == (
        Edge(count=10, size=0.5, located=False),
        Edge(count=11, size=0.333333, located=False),
    )


def test_edges_below_the_threshold_are_left_out() -> None:
    curve = through((1, 1000), (2, 1049), (3, 1049), (4, 996))
    assert [edge.count for edge in curve.edges()] == [3]
    assert [edge.count for edge in curve.edges(threshold=0.04)] == [1, 3]
    assert [edge.count for edge in curve.edges(threshold=0.2)] == []
    assert through((7, 5)).edges() == ()


@given(curve=curves())
def test_located_edges_are_exactly_the_steps_between_neighbouring_probes(curve: Curve) -> None:
    """Nothing else can be told to the exact count."""
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
