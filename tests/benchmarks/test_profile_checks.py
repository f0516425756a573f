"""Errors on timings that no step of a fit has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latmodel.card import Card
from latmodel.fitted_operators import FittedOperators
from latmodel.operator_readings import OperatorReadings
from latmodel.operator_rivals import errors_of
from latmodel.profile_fitting import fit_operators, operator_profile
from latmodel.provenance import Provenance
from latmodel.workloads import find_workload
from tests.latmodel.made_up_operators import BANDWIDTH_GB_S, SMS, made_up_readings

Load = Callable[[str], Any]
CARD = Card(sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S)
WIDTHS = ((64, 192), (64, 64), (64, 256), (256, 64), (96, 288), (96, 96))


def few_layers() -> OperatorReadings:
    """Twenty token counts of each of six layers, at a rate that a test can state."""
    rows = np.tile(np.arange(10.0, 210.0, 10.0), len(WIDTHS))
    inputs, outputs = (np.repeat(np.array(w, float), 20) for w in zip(*WIDTHS, strict=True))
    return replace(
        made_up_readings("linear", count=len(rows)),
        sizes={"rows": rows, "in_features": inputs, "out_features": outputs},
        latency_ns=5000.0 + rows * inputs * outputs / 1000.0,
    )


LAYERS = few_layers()


@pytest.fixture(scope="module")
def checks(benchmark_file: Load) -> Any:
    return benchmark_file("profile_checks")


@pytest.fixture(scope="module")
def fitted() -> FittedOperators:
    return fit_operators([LAYERS], CARD)


def test_a_width_is_told_by_fits_that_never_saw_it(checks: Any) -> None:
    """Whatever was read of a layer, what is said of it stays."""
    said = checks.predict_unseen_widths(LAYERS, CARD)
    for inputs, outputs in WIDTHS[:2]:
        here = (LAYERS.sizes["in_features"] == inputs) & (
            LAYERS.sizes["out_features"] == outputs
        )
        assert here.sum() == 20
        slower = replace(LAYERS, latency_ns=np.where(here, 3.0, 1.0) * LAYERS.latency_ns)
        again = checks.predict_unseen_widths(slower, CARD)
        assert again[here].tolist() == said[here].tolist()
        assert again[~here].tolist() != said[~here].tolist()


def test_a_model_of_few_widths_is_as_unsure_as_on_those_it_never_saw(
    checks: Any, fitted: FittedOperators
) -> None:
    model, figure = checks.unseen_widths(fitted.model, LAYERS, CARD)
    said = checks.predict_unseen_widths(LAYERS, CARD)
    assert figure.to_dict() == {
        "what": "linear in fp32, inputs and outputs held out",
        "mean_percent": round(errors_of(said, LAYERS.latency_ns).mean, 1),
        "rows": 120,
    }
    deviation = np.sqrt(np.mean(np.log(said / LAYERS.latency_ns) ** 2))
    linear, bmm = model.products
    assert linear.relative_error == pytest.approx(deviation, abs=1e-4)
    assert linear.relative_error > fitted.model.products[0].relative_error
    assert bmm == fitted.model.products[1]
    assert model.streams == fitted.model.streams


def test_linears_of_another_harness_are_compared(checks: Any, fitted: FittedOperators) -> None:
    figure = checks.unseen_linears(fitted.model, LAYERS, "the same again")
    said = fitted.model.cost("linear", LAYERS.sizes).latency_ns
    assert figure.mean_percent == round(errors_of(said, LAYERS.latency_ns).mean, 1)
    assert (figure.what, figure.rows) == ("the same again", 120)


def test_whole_models_that_are_plain_are_compared(
    checks: Any, fitted: FittedOperators, tmp_path: Path
) -> None:
    """By hand: one is met, one takes twice what is said, one is no vision transformer."""
    profile = operator_profile(
        fitted,
        name="made-up",
        device="Made-up",
        provenance=(Provenance(source="a test", measured="nothing"),),
    )
    once, often = (
        profile.table(find_workload("test_vit", batch=batch), attention="fused").dense_ns / 1e6
        for batch in (1, 64)
    )
    place = tmp_path / "timm.csv"
    place.write_text(
        "model,infer_img_size,infer_step_time,infer_batch_size\n"
        f"test_vit,160,{once},1\ntest_vit,160,{2 * often},64\nresnet18,224,1,1\n",
        encoding="utf-8",
    )
    figure = checks.whole_models(
        profile, place, dtype="fp32", attention="fused", what="two models"
    )
    assert figure.to_dict() == {"what": "two models", "mean_percent": 25.0, "rows": 2}
