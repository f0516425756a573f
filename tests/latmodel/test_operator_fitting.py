"""The fit finds planted parameters again, from single and from compound readings."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from latmodel.errors import MeasurementError, ProfileError
from latmodel.kernels import Throttle
from latmodel.operator_fitting import (
    Reading,
    fit,
    parameters,
    predict_ns,
    prior_from_spec,
    with_parameters,
)
from latmodel.operator_kinds import Operator

if TYPE_CHECKING:
    from latmodel.operators import OperatorModel

PRIOR = prior_from_spec(
    sms=16, bandwidth_gb_s=200.0, peak_gflops={("fp32",): 5000.0}, launch_ns=40_000.0
)
PLANTED = with_parameters(
    replace(PRIOR, throttle=Throttle(extra=2.0, ramp_ns=100e3)),
    {
        "launch_ns.linear": 55_000.0,
        "launch_ns.norm": 30_000.0,
        "kernels.0.element_ns": 61.0,
        "kernels.0.first_element_ns": 22.0,
        "bandwidth_gb_s": 150.0,
    },
)
SPREAD = {
    "launch_ns.linear": 0.5,
    "launch_ns.norm": 0.5,
    "kernels.0.element_ns": 0.5,
    "kernels.0.first_element_ns": 1.0,
    "bandwidth_gb_s": 0.5,
    "throttle.ramp_ns": 1.0,
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
    return replace(PRIOR, throttle=Throttle(extra=2.0, ramp_ns=300e3))


@pytest.mark.parametrize("compound", [False, True])
def test_planted_parameters_are_found_under_noise(compound: bool) -> None:
    """5 % noise on each reading: each parameter that the readings determine, to 10 %."""
    model = fit(planted_readings(0.05, compound=compound), prior=start(), spread=SPREAD)
    found, truth = parameters(model), parameters(PLANTED)
    for path in ("kernels.0.element_ns", "bandwidth_gb_s"):
        assert found[path] == pytest.approx(truth[path], rel=0.10), path
    # A linear is never read without a norm: only the sum of their launches can be known.
    launches = [sum(p[f"launch_ns.{k}"] for k in ("linear", "norm")) for p in (found, truth)]
    assert launches[0] == pytest.approx(launches[1], rel=0.10)
    if not compound:
        assert found["launch_ns.norm"] == pytest.approx(truth["launch_ns.norm"], rel=0.10)


def test_a_tenth_of_wild_readings_changes_little() -> None:
    """Robust: six readings in sixty stand at ten times the truth."""
    readings = planted_readings(0.02, compound=False)
    wild = [
        replace(reading, latency_ns=reading.latency_ns * 10) if index % 10 == 0 else reading
        for index, reading in enumerate(readings)
    ]
    found = parameters(fit(wild, prior=start(), spread=SPREAD))
    assert found["kernels.0.element_ns"] == pytest.approx(61.0, rel=0.10)
    assert found["bandwidth_gb_s"] == pytest.approx(150.0, rel=0.10)


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
    assert found["kernels.0.element_ns"] == pytest.approx(
        parameters(PRIOR)["kernels.0.element_ns"], rel=1e-6
    )
    assert found["launch_ns.norm"] == pytest.approx(30_000, rel=0.02)
    assert found["launch_ns.gelu"] == 40_000.0


def test_the_surer_of_two_priors_yields_less() -> None:
    """100 us read where 80 were expected: the extra goes where less was known."""
    parts = (linear(1, 1, 1), norm(1, 1))
    readings = [Reading(operators=parts, dtype="fp32", latency_ns=100_000.0)]
    spread = {"launch_ns.linear": 0.01, "launch_ns.norm": 1.0}
    found = parameters(fit(readings, prior=PRIOR, spread=spread))
    assert found["launch_ns.linear"] == pytest.approx(40_000, rel=0.01)
    assert found["launch_ns.norm"] == pytest.approx(60_000, rel=0.03)


def test_the_fit_is_deterministic_and_states_its_range() -> None:
    readings = planted_readings(0.05, compound=True)
    model = fit(readings, prior=start(), spread=SPREAD)
    assert model == fit(readings, prior=start(), spread=SPREAD)
    for name, fitted in (
        ("rows", model.fitted_rows),
        ("in_features", model.fitted_reduction),
    ):
        sizes = np.array([reading.operators[0].dims[name] for reading in readings])
        assert fitted == (sizes.min(), sizes.max())


def test_a_compound_reading_is_the_sum_of_its_operators() -> None:
    parts = (linear(50, 768, 3072), norm(50, 768), norm(50, 768))
    whole = Reading(operators=parts, dtype="fp32", latency_ns=1)
    alone = [Reading(operators=(part,), dtype="fp32", latency_ns=1) for part in parts]
    assert predict_ns(PLANTED, [whole])[0] == pytest.approx(predict_ns(PLANTED, alone).sum())


def test_the_specification_gives_a_tile_at_a_share_of_the_peak() -> None:
    """64 x 64 x 2 operations at 0.6 of 5000 / 16 GFLOP/s: 43.7 ns per element."""
    assert PRIOR.kernels[0].element_ns == pytest.approx(64 * 64 * 2 * 16 / (0.6 * 5000))


def test_parameters_go_out_and_come_back() -> None:
    assert with_parameters(PRIOR, {}) == PRIOR
    assert with_parameters(start(), parameters(PLANTED)) == PLANTED


@pytest.mark.parametrize(
    ("spread", "message"),
    [
        (
            {"kernels.0.wave_ns": 1.0},
            "kernels.0.wave_ns: a fit needs a prior above 0, found 0.0",
        ),
        (
            {"kernels.7.wave_ns": 1.0},
            "kernels.7.wave_ns: a fit needs a prior above 0, found None",
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
