"""Factors multiply what they are named after, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest

from latmodel.fields import Fields
from latmodel.operator_kinds import DIMS, STREAMS
from latmodel.operators import OperatorModel
from latmodel.scaling import acting, by_kind, factors_of, named_parts, scaled, strength
from tests.latmodel.planted_boards import MODEL, shapes

LINEAR = shapes("linear", 300).sizes
NORM = shapes("norm", 300).sizes


def test_no_factor_changes_nothing() -> None:
    assert scaled(MODEL, {}) == MODEL
    assert scaled(MODEL, {factor.name: 0.0 for factor in factors_of(MODEL)}) == MODEL


def test_the_factors_are_those_that_a_model_has() -> None:
    """A single kernel has no factor of its own, nor has a slowdown that is not there."""
    assert [factor.name for factor in factors_of(MODEL)] == [
        *("launch", "compute", "memory"),
        *(f"launch.{kind}" for kind in ("linear", "bmm", "attention")),
        *(f"launch.{kind}" for kind in ("softmax", "norm", "gelu", "add")),
        *("memory.products.0", "compute.products.0"),
        *("compute.products.0.0", "compute.products.0.1"),
        *("throttle.products.0", "throttle_ramp.products.0"),
        *("memory.products.1", "compute.products.1"),
        *("governor.products.1", "governor_ramp.products.1"),
        *("memory.streams.0", "correction"),
    ]


def test_shared_factors_are_freer_than_those_of_their_own() -> None:
    width = {factor.name: factor.width for factor in factors_of(MODEL)}
    assert width["launch"] > width["launch.norm"]
    assert width["memory"] > width["memory.streams.0"]
    assert width["compute"] > width["compute.products.0"] > width["compute.products.0.1"]


def test_parts_of_single_kinds_say_what_parts_of_several_said() -> None:
    apart = by_kind(MODEL)
    kinds = [part.kinds for _, part in named_parts(apart)]
    assert kinds == [(kind,) for kind in ("linear", "bmm", "attention", *STREAMS)]
    for kind in DIMS:
        sizes = shapes(kind, 50).sizes
        for told, before in zip(apart.cost(kind, sizes), MODEL.cost(kind, sizes), strict=True):
            assert told == pytest.approx(before), kind
    assert by_kind(apart) == apart


def test_parts_are_named_by_their_place() -> None:
    assert [name for name, _ in named_parts(MODEL)] == ["products.0", "products.1", "streams.0"]
    assert acting("launch", "norm") == ("launch", "launch.norm")


def test_a_device_slower_in_all_is_slower_at_every_shape_by_as_much() -> None:
    """Launch, computing, memory and ramps by 3: latencies by 3, corrections as they were."""
    thrice = dict.fromkeys(("launch", "compute", "memory"), log(3))
    thrice |= {"throttle_ramp.products.0": log(3), "governor_ramp.products.1": log(3)}
    slower = scaled(MODEL, thrice)
    for kind in ("linear", "bmm", "attention", "softmax", "norm", "gelu", "add"):
        sizes = shapes(kind, 300).sizes
        ratio = slower.cost(kind, sizes).latency_ns / MODEL.cost(kind, sizes).latency_ns
        assert ratio == pytest.approx(np.full(300, 3.0), rel=1e-6), kind
    assert slower.gap_ns == MODEL.gap_ns  # the device's own part, not the host's


def test_own_and_shared_factors_multiply() -> None:
    board = scaled(MODEL, {"launch": log(2), "launch.norm": log(5), "memory.streams.0": log(4)})
    assert board.streams[0].launch_ns == pytest.approx((40e3, 240e3, 36e3, 36e3))
    assert board.streams[0].bandwidth_gb_s == pytest.approx(45 / 4)
    assert board.products[0].bandwidth_gb_s == 60
    busy = board.cost("norm", NORM).busy_ns / MODEL.cost("norm", NORM).busy_ns
    assert busy == pytest.approx(np.full(300, 4.0))


def test_a_kernel_has_a_factor_of_its_own() -> None:
    board = scaled(MODEL, {"compute.products.0.0": log(2), "compute": log(3)})
    large, small = board.products[0].kernels
    assert (large.wave_ns, large.element_ns) == pytest.approx((2400, 360))
    assert (large.first_element_ns, large.split_ns) == pytest.approx((120, 18))
    assert small.element_ns == pytest.approx(36)
    assert board.products[1].kernels[0].element_ns == pytest.approx(36)
    assert board.streams == MODEL.streams


def test_slowdowns_have_factors_of_their_own() -> None:
    logs = {"throttle.products.0": log(2), "throttle_ramp.products.0": log(3)}
    logs |= {"governor.products.1": log(4), "governor_ramp.products.1": log(5)}
    linear, bmm = scaled(MODEL, logs).products
    assert linear.throttle is not None
    assert bmm.governor is not None
    assert linear.throttle.to_dict() == pytest.approx({"extra": 1.0, "ramp_ns": 9e6})
    assert bmm.governor.to_dict() == pytest.approx({"extra": 3.2, "ramp_ns": 1e6})


def test_the_strength_of_a_correction_is_bounded() -> None:
    assert [strength(number) for number in (-2.0, -0.5, 0.0, 0.25, 9.0)] == [
        0,
        0.5,
        1,
        1.25,
        1.5,
    ]


def test_a_correction_may_be_weakened_and_taken_away() -> None:
    bare = replace(
        MODEL,
        products=tuple(replace(p, correction=type(p.correction)(())) for p in MODEL.products),
    )
    whole, none = (m.cost("linear", LINEAR).latency_ns for m in (MODEL, bare))
    gone = scaled(MODEL, {"correction": -1.0}).cost("linear", LINEAR).latency_ns
    half = scaled(MODEL, {"correction": -0.5}).cost("linear", LINEAR).latency_ns
    assert gone == pytest.approx(none)
    assert half == pytest.approx(np.sqrt(whole * none))
    assert not np.allclose(whole, none)


def test_a_scaled_model_is_read_back_as_it_was_written() -> None:
    logs = {factor.name: 0.1234567 for factor in factors_of(MODEL)}
    board = scaled(MODEL, logs)
    assert OperatorModel.from_fields(Fields(board.to_dict(), "operators")) == board
