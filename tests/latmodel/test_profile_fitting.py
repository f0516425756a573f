from __future__ import annotations

from dataclasses import replace

import pytest

from latmodel.card import Card
from latmodel.errors import MeasurementError, ProfileError
from latmodel.fitted_operators import FittedOperators
from latmodel.model_fitting import fit_parts
from latmodel.operator_kinds import STREAMS
from latmodel.operator_rivals import boosted_trees_ns, errors_of
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.profile_fitting import (
    DISPATCH_NS,
    GAP_NS,
    fit_operators,
    operator_profile,
    provenance_of,
    with_rivals,
)
from latmodel.workloads import find_workload
from tests.latmodel.made_up_operators import (
    BANDWIDTH_GB_S,
    LAUNCH_NS,
    PEAK_GFLOPS,
    SMS,
    made_up_readings,
)

CARD = Card(sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S, peak_gflops={"fp32": PEAK_GFLOPS})
READINGS = (made_up_readings("linear", count=120), made_up_readings("norm", count=120))


@pytest.fixture(scope="module")
def eager() -> FittedOperators:
    return fit_operators(READINGS, CARD)


@pytest.fixture(scope="module")
def graph() -> FittedOperators:
    return fit_operators(READINGS[:1], CARD, harness="graph")


def test_what_was_timed_is_fitted_and_the_rest_derived(eager: FittedOperators) -> None:
    model = eager.model
    assert all(model.knows(kind, "fp32") for kind in ("linear", "bmm", *STREAMS))
    assert eager.derived == tuple((kind, "fp32") for kind in ("bmm", "softmax", "gelu", "add"))
    for readings in READINGS:
        said = model.cost(readings.kind, readings.sizes).latency_ns
        assert errors_of(said, readings.latency_ns).mean < 5
    assert eager.confidence == "low"


def test_errors_are_those_of_shapes_held_out(eager: FittedOperators) -> None:
    """The very figures of the fits that never saw them, as fractions of the readings."""
    _, held_out = fit_parts(READINGS[:1], sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S)
    entry = eager.held_out[0]
    assert (entry.kind, entry.dtype) == ("linear", "fp32")
    assert entry.errors == errors_of(held_out[0].predicted_ns, held_out[0].read_ns)
    assert entry.errors != errors_of(held_out[0].read_ns, held_out[0].predicted_ns)
    assert (entry.rows, entry.seen) == (
        len(held_out[0].read_ns),
        120 - len(held_out[0].read_ns),
    )


def test_rivals_are_judged_by_the_same_shapes(eager: FittedOperators) -> None:
    """The made-up device is a roofline, so a fitted one is exact; the sheet is off by half."""
    told: list[str] = []
    both = with_rivals(eager, READINGS, CARD, on_part=told.append)
    assert told == [
        "comparing linear in fp32 with simpler predictors",
        "comparing norm in fp32 with simpler predictors",
    ]
    for entry in both.held_out:
        rivals = dict(entry.rivals)
        assert list(rivals) == [
            "roofline of the data sheet",
            "roofline fitted",
            "boosted trees on sizes",
        ]
        assert rivals["roofline fitted"].mean < 0.5
        assert rivals["roofline of the data sheet"].mean > 50
    linear = READINGS[0]
    out = linear.held_out()
    trees_ns = boosted_trees_ns(linear.where(~out), linear.where(out))
    errors = errors_of(trees_ns, linear.latency_ns[out])
    assert dict(both.held_out[0].rivals)["boosted trees on sizes"] == errors
    assert both == replace(eager, held_out=both.held_out)


def test_timings_that_hold_a_dispatch_need_none(eager: FittedOperators) -> None:
    model = eager.model
    assert (model.mode, model.gap_ns, model.dispatch_ns) == ("eager", GAP_NS, 0.0)
    assert model.launch_of("linear") == pytest.approx(LAUNCH_NS, rel=0.1)
    assert eager.assumed == ("2 us of each launch are taken for the device's own",)


def test_kernels_timed_alone_keep_their_launch_in_a_graph(graph: FittedOperators) -> None:
    model = graph.model
    assert (model.mode, model.dispatch_ns) == ("graph", DISPATCH_NS)
    assert model.gap_ns == model.launch_of("linear")
    assert graph.assumed == (
        "a dispatch of 8 us per operator in eager mode, which kernels timed alone do not hold, "
        "is assumed",
    )


@pytest.mark.parametrize("harness", ["eager", "graph"])
def test_what_is_given_is_not_assumed(harness: str) -> None:
    given = fit_operators(READINGS[:1], CARD, harness=harness, gap_ns=1.0, dispatch_ns=3.0)
    assert (given.model.gap_ns, given.model.dispatch_ns, given.assumed) == (1.0, 3.0, ())


def test_progress_is_told_part_by_part() -> None:
    told: list[str] = []
    fit_operators(READINGS[:1], CARD, on_part=told.append)
    assert told == ["linear in fp32, 120 readings"]


def test_a_harness_that_is_none_is_refused() -> None:
    with pytest.raises(ProfileError) as caught:
        fit_operators(READINGS, CARD, harness="sum")
    assert str(caught.value) == "harness is 'sum': must be one of eager, graph"


def test_a_dtype_without_linears_is_refused_before_anything_is_fitted() -> None:
    told: list[str] = []
    half = made_up_readings("norm", dtype="fp16")
    with pytest.raises(ProfileError) as caught:
        fit_operators([*READINGS[:1], half], CARD, on_part=told.append)
    assert told == []
    assert str(caught.value).startswith("no linear was timed in fp16: ")


def test_too_few_timings_are_refused_before_anything_is_fitted() -> None:
    few, told = made_up_readings("norm", count=20), list[str]()
    with pytest.raises(MeasurementError) as caught:
        fit_operators([*READINGS[:1], few], CARD, on_part=told.append)
    assert told == []
    assert str(caught.value) == (
        f"norm in fp32: 20 readings leave {few.held_out().sum()} shapes to hold out, at "
        "least 10 are needed; read about 100 shapes"
    )


@pytest.fixture(scope="module")
def profile(graph: FittedOperators) -> DeviceProfile:
    provenance = provenance_of(graph, source="a paper", licence="MIT", how="by hand")
    return operator_profile(
        graph,
        name="made-up",
        device="Made-up Card, 10 W",
        provenance=(provenance,),
        errors=(ErrorFigure(what="another", mean_percent=1.0, rows=2),),
        warnings=("mind the card",),
    )


def test_a_profile_says_what_was_measured_derived_and_assumed(
    profile: DeviceProfile, graph: FittedOperators
) -> None:
    assert profile.provenance == (
        Provenance(
            source="a paper",
            licence="MIT",
            measured="fp32: linear (120 timings); by hand",
            derived="multiprocessors and bandwidth from the data sheet; fp32: bmm from the "
            "kernels of its linears; fp32: softmax, norm, gelu, add from the specified "
            "bandwidth and the launch of its linears; a dispatch of 8 us per operator in eager "
            "mode, which kernels timed alone do not hold, is assumed",
        ),
    )
    assert profile.errors[0] == graph.held_out[0].figure
    assert profile.errors[1].what == "another"
    assert profile.warnings == (*graph.warnings(), "mind the card")
    assert (profile.name, profile.device, profile.confidence) == (
        "made-up",
        "Made-up Card, 10 W",
        "low",
    )


def test_a_profile_answers_for_whole_models(profile: DeviceProfile) -> None:
    table = profile.table(find_workload("test_vit"))
    assert 0 < table.latency_ns((1,) * 6) < table.dense_ns
