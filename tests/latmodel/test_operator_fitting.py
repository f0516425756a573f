"""The fit finds planted parameters again, from single and from compound readings."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from latmodel.errors import MeasurementError, ProfileError
from latmodel.operator_fitting import (
    Reading,
    fit,
    parameters,
    predict_ns,
    prior_from_spec,
    with_parameters,
)
from latmodel.operator_kinds import Operator, Span
from latmodel.slowdowns import Governor

if TYPE_CHECKING:
    from latmodel.operators import OperatorModel

PRIOR = prior_from_spec(
    sms=16, bandwidth_gb_s=200.0, peak_gflops={("fp32",): 5000.0}, launch_ns=40_000.0
)
ELEMENT = "products.0.kernels.0.element_ns"
FIRST = "products.0.kernels.0.first_element_ns"
LINEAR = "products.0.launch_ns.0"
NORM, GELU = "streams.0.launch_ns.1", "streams.0.launch_ns.2"
BANDWIDTH = "products.0.bandwidth_gb_s"


def governed(ramp_ns: float) -> OperatorModel:
    """The prior under a governor."""
    governor = Governor(extra=2.0, ramp_ns=ramp_ns)
    return replace(PRIOR, products=(replace(PRIOR.products[0], governor=governor),))


PLANTED = with_parameters(
    governed(100e3),
    {
        LINEAR: 55_000.0,
        NORM: 30_000.0,
        ELEMENT: 61.0,
        FIRST: 22.0,
        BANDWIDTH: 150.0,
        "streams.0.bandwidth_gb_s": 150.0,
    },
)
SPREAD = {
    LINEAR: 0.5,
    NORM: 0.5,
    ELEMENT: 0.5,
    FIRST: 1.0,
    "*.bandwidth_gb_s": 0.5,
    "products.0.governor.ramp_ns": 1.0,
}


def linear(rows: int, k: int, columns: int) -> Operator:
    return Operator("linear", {"rows": rows, "in_features": k, "out_features": columns})


def norm(rows: int, width: int) -> Operator:
    return Operator("norm", {"rows": rows, "width": width})


def planted_readings(noise: float, *, compound: bool) -> list[Reading]:
    """Sixty random shapes, each read once; the seed is the data."""
    random = np.random.default_rng(7)
    readings = []
    for _ in range(60):
        rows, k, columns = (int(2 ** random.uniform(4, 12)) for _ in range(3))
        parts: tuple[Operator, ...] = (linear(rows, k, columns), norm(rows, 4 * columns))
        for operators in (parts,) if compound else tuple((part,) for part in parts):
            exact = predict_ns(
                PLANTED, [Reading(operators=operators, dtype="fp32", latency_ns=1)]
            )
            read_ns = float(exact[0] * np.exp(noise * random.standard_normal()))
            readings.append(Reading(operators=operators, dtype="fp32", latency_ns=read_ns))
    return readings


def start() -> OperatorModel:
    return governed(300e3)


@pytest.mark.parametrize("compound", [False, True])
def test_planted_parameters_are_found_under_noise(compound: bool) -> None:
    """5 % noise on each reading: each parameter that the readings determine, to 10 %."""
    model = fit(planted_readings(0.05, compound=compound), prior=start(), spread=SPREAD)
    found, truth = parameters(model), parameters(PLANTED)
    for path in (ELEMENT, BANDWIDTH, "streams.0.bandwidth_gb_s"):
        assert found[path] == pytest.approx(truth[path], rel=0.10), path
    # A linear is never read without a norm: only the sum of their launches can be known.
    launches = [p[LINEAR] + p[NORM] for p in (found, truth)]
    assert launches[0] == pytest.approx(launches[1], rel=0.10)
    if not compound:
        assert found[NORM] == pytest.approx(truth[NORM], rel=0.10)


def test_a_tenth_of_wild_readings_changes_little() -> None:
    """Robust: six readings in sixty stand at ten times the truth."""
    readings = planted_readings(0.02, compound=False)
    wild = [
        replace(reading, latency_ns=reading.latency_ns * 10) if index % 10 == 0 else reading
        for index, reading in enumerate(readings)
    ]
    found = parameters(fit(wild, prior=start(), spread=SPREAD))
    assert found[ELEMENT] == pytest.approx(61.0, rel=0.10)
    assert found[BANDWIDTH] == pytest.approx(150.0, rel=0.10)


def test_predictions_hold_on_shapes_never_read() -> None:
    model = fit(planted_readings(0.05, compound=False), prior=start(), spread=SPREAD)
    unseen = [
        Reading(operators=(linear(197, 768, 3072), norm(197, 768)), dtype="fp32", latency_ns=1),
        Reading(operators=(linear(33, 3000, 500),), dtype="fp32", latency_ns=1),
    ]
    assert predict_ns(model, unseen) == pytest.approx(predict_ns(PLANTED, unseen), rel=0.08)


def test_what_the_readings_do_not_determine_stays_at_the_prior() -> None:
    readings = [Reading(operators=(norm(8, 8),), dtype="fp32", latency_ns=30_000.0)]
    found = parameters(fit(readings, prior=start(), spread=SPREAD))
    assert found[ELEMENT] == pytest.approx(parameters(PRIOR)[ELEMENT], rel=1e-6)
    assert found[NORM] == pytest.approx(30_000, rel=0.02)
    assert found[GELU] == 40_000.0


def test_the_surer_of_two_priors_yields_less() -> None:
    """100 us read where 80 were expected: the extra goes where less was known."""
    parts = (linear(1, 1, 1), norm(1, 1))
    readings = [Reading(operators=parts, dtype="fp32", latency_ns=100_000.0)]
    spread = {LINEAR: 0.01, NORM: 1.0}
    found = parameters(fit(readings, prior=PRIOR, spread=spread))
    assert found[LINEAR] == pytest.approx(40_000, rel=0.01)
    assert found[NORM] == pytest.approx(60_000, rel=0.03)


def test_the_fit_is_deterministic_and_keeps_the_stated_range() -> None:
    readings = planted_readings(0.05, compound=True)
    part = replace(start().products[0], fitted=(Span("rows", 16, 4096),))
    prior = replace(start(), products=(part,))
    model = fit(readings, prior=prior, spread=SPREAD)
    assert model == fit(readings, prior=prior, spread=SPREAD)
    assert model.products[0].fitted == (Span("rows", 16, 4096),)


def test_parameters_matched_by_one_entry_keep_their_ratio() -> None:
    """Norms alone, at 150 GB/s: the products' bandwidth moves as the streams' does."""
    readings = [
        Reading(operators=(norm(rows, 4096),), dtype="fp32", latency_ns=rows * 4096 * 8 / 150)
        for rows in (30_000, 60_000)
    ]
    prior = with_parameters(PRIOR, {BANDWIDTH: 100.0, NORM: 0.0})
    found = parameters(fit(readings, prior=prior, spread={"*.bandwidth_gb_s": 0.5}))
    assert found["streams.0.bandwidth_gb_s"] == pytest.approx(150.0, rel=0.01)
    assert found[BANDWIDTH] == pytest.approx(found["streams.0.bandwidth_gb_s"] / 2)


def test_a_compound_reading_is_the_sum_of_its_operators() -> None:
    parts = (linear(50, 768, 3072), norm(50, 768), norm(50, 768))
    whole = Reading(operators=parts, dtype="fp32", latency_ns=1)
    alone = [Reading(operators=(part,), dtype="fp32", latency_ns=1) for part in parts]
    assert predict_ns(PLANTED, [whole])[0] == pytest.approx(predict_ns(PLANTED, alone).sum())


def test_the_specification_gives_a_tile_at_a_share_of_the_peak() -> None:
    """64 x 64 x 2 operations at 0.6 of 5000 / 16 GFLOP/s: 43.7 ns per element."""
    assert parameters(PRIOR)[ELEMENT] == pytest.approx(64 * 64 * 2 * 16 / (0.6 * 5000))


def test_parameters_go_out_and_come_back() -> None:
    assert with_parameters(PRIOR, {}) == PRIOR
    assert with_parameters(start(), parameters(PLANTED)) == PLANTED


@pytest.mark.parametrize(
    ("spread", "message"),
    [
        (
            {"products.0.kernels.0.wave_ns": 1.0},
            "products.0.kernels.0.wave_ns: a fit needs a prior above 0, found 0.0",
        ),
        (
            {"kernels.7.*": 1.0},
            "kernels.7.*: a fit needs a prior above 0, found None",
        ),
        (
            {"*.bandwidth_gb_s": 1.0, "streams.*.bandwidth_gb_s": 1.0},
            "streams.0.bandwidth_gb_s: two entries of the spread match it, allowed is one",
        ),
    ],
)
def test_a_parameter_that_cannot_be_fitted_is_refused(
    spread: dict[str, float], message: str
) -> None:
    readings = [Reading(operators=(norm(8, 8),), dtype="fp32", latency_ns=30_000.0)]
    with pytest.raises(ProfileError, match=f"^{re.escape(message)}$"):
        fit(readings, prior=PRIOR, spread=spread)


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"^the operator model has no parameter 'clock'$"):
        with_parameters(PRIOR, {"clock": 1.0})


def test_readings_that_say_nothing_are_refused() -> None:
    with pytest.raises(MeasurementError, match=r"^a fit needs at least one reading$"):
        fit([], prior=PRIOR, spread=SPREAD)
    with pytest.raises(MeasurementError, match=r"^a reading needs at least one operator$"):
        Reading(operators=(), dtype="fp32", latency_ns=1.0)
    with pytest.raises(
        MeasurementError, match=r"^latency_ns is -1\.0: must be finite and above 0$"
    ):
        Reading(operators=(norm(8, 8),), dtype="fp32", latency_ns=-1.0)
