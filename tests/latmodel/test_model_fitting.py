"""Parts come with their error on shapes that the fit which gave it never saw."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from latmodel.errors import MeasurementError
from latmodel.forest import Forest
from latmodel.model_fitting import HeldOut, fit_parts, predict_part_ns
from latmodel.operators import OperatorModel
from latmodel.part_fitting import fit_part
from latmodel.products import ProductModel
from latmodel.streams import StreamModel
from tests.latmodel.paper_parts import PRODUCT, STREAM
from tests.latmodel.planted_kernels import (
    BANDWIDTH_GB_S,
    NOISE,
    SMS,
    read,
    shapes,
    stream_readings,
)

LINEAR = read("linear", shapes("linear", 120, seed=1), seed=2)
NORM = stream_readings("norm", 100, seed=1)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other on a shared machine: matrices here are tiny."""
    with threadpool_limits(1):
        yield


def test_figures_by_hand() -> None:
    """Errors of 8, 20, 0 and 30 %."""
    held_out = HeldOut(
        kind="add",
        dtype="fp32",
        predicted_ns=np.array([108.0, 160.0, 300.0, 520.0]),
        read_ns=np.array([100.0, 200.0, 300.0, 400.0]),
    )
    assert held_out.errors == pytest.approx([0.08, 0.2, 0, 0.3])
    assert held_out.mean_percent == pytest.approx(14.5)
    assert held_out.median_percent == pytest.approx(14)
    assert held_out.within_10_percent == 50
    logs = [math.log(1.08), math.log(0.8), 0, math.log(1.3)]
    assert held_out.deviation == pytest.approx(math.sqrt(sum(x * x for x in logs) / 4))


def test_a_part_predicts_launch_and_busy_times_the_correction() -> None:
    product = replace(PRODUCT, correction=Forest.parse(["rows<=99 500 -300"]))
    stream = replace(STREAM, correction=Forest.parse(["rows<=99 500 -300"]))
    linear = predict_part_ns(product, LINEAR)
    model = OperatorModel(products=(product,), streams=(stream,))
    assert linear == pytest.approx(model.cost("linear", LINEAR.sizes).latency_ns)
    norm = predict_part_ns(stream, NORM)
    assert norm == pytest.approx(model.cost("norm", NORM.sizes).latency_ns)


def test_parts_are_fitted_to_all_and_judged_by_what_was_hidden() -> None:
    """Each comes in the order of its readings, and says so while it is fitted."""
    told: list[str] = []
    parts, errors = fit_parts(
        [LINEAR, NORM], sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S, on_part=told.append
    )
    assert told == ["linear in fp32, 120 readings", "norm in fp32, 100 readings"]
    assert [type(part) for part in parts] == [ProductModel, StreamModel]
    for readings, part, held_out in zip((LINEAR, NORM), parts, errors, strict=True):
        assert (held_out.kind, held_out.dtype) == (readings.kind, "fp32")
        hidden = readings.held_out()
        assert held_out.read_ns.tolist() == readings.latency_ns[hidden].tolist()
        blind = fit_part(readings.where(~hidden), sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S)
        expected = predict_part_ns(blind, readings.where(hidden))
        assert held_out.predicted_ns.tolist() == expected.tolist()
        assert held_out.mean_percent < 300 * NOISE
        assert part.relative_error == round(held_out.deviation, 4)
        assert part != replace(blind, relative_error=part.relative_error)
    whole = fit_part(NORM, sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S)
    assert parts[1] == replace(whole, relative_error=parts[1].relative_error)


def test_a_kind_and_format_that_stand_twice_are_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        fit_parts([NORM, NORM], sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S)
    assert str(caught.value) == "norm in fp32 stands twice: join the readings"


def test_a_kind_in_two_formats_is_two_parts() -> None:
    parts, _ = fit_parts(
        [NORM, replace(NORM, dtype="fp16")], sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S
    )
    assert [part.dtypes for part in parts] == [("fp32",), ("fp16",)]
    assert parts[0].bandwidth_gb_s == pytest.approx(2 * parts[1].bandwidth_gb_s)


def test_too_few_shapes_to_hold_out_are_refused() -> None:
    """Before any fit; the message says how many would do."""
    few = NORM.where(np.cumsum(NORM.held_out()) < 10)
    hidden = int(few.held_out().sum())
    assert hidden == 9
    with pytest.raises(MeasurementError) as caught:
        fit_parts([few], sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S)
    assert str(caught.value) == (
        f"norm in fp32: {len(few)} readings leave 9 shapes to hold out, at least 10 are "
        "needed; read about 100 shapes"
    )
