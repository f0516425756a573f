"""Operators that stream through memory, on paper."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.forest import Forest
from latmodel.operator_kinds import checked_sizes
from latmodel.streams import StreamModel, stream_features
from tests.latmodel.paper_parts import STREAM
from tests.latmodel.part_strategies import streams
from tests.latmodel.yaml_files import through_a_file


@pytest.mark.parametrize(
    ("kind", "launch_ns", "passes"),
    [("softmax", 300, 2), ("norm", 400, 2), ("gelu", 500, 2), ("add", 600, 3)],
)
def test_a_stream_is_launch_and_bytes(kind: str, launch_ns: float, passes: int) -> None:
    """At 2 GB/s: one ns per number of two bytes and pass, two per number of four."""
    sizes = checked_sizes(kind, {"rows": [3, 6], "width": 7})
    assert STREAM.launch_of(kind) == launch_ns
    for dtype, each_ns in (("fp16", 1), ("fp32", 2)):
        busy_ns, factor = STREAM.busy_ns(kind, sizes, dtype=dtype)
        assert busy_ns.tolist() == [passes * 21 * each_ns, passes * 42 * each_ns]
        assert factor.tolist() == [1, 1]


def test_the_features_of_the_correction_by_hand() -> None:
    """3 x 7 on 2 multiprocessors: neither 21 nor 7 is a multiple of four; up to 2 ** 3."""
    sizes = checked_sizes("norm", {"rows": 3, "width": 7})
    features = stream_features(sizes, sms=2)
    assert {name: float(value) for name, value in features.items()} == {
        "rows": 3,
        "width": 7,
        "numbers": 21,
        "rows/sms": 1.5,
        "numbers%4": 1,
        "width%4": 3,
        "power": 8,
    }


def test_a_power_of_two_is_its_own() -> None:
    widths = np.array([1.0, 2.0, 3.0, 4.0, 1024.0, 1025.0])
    powers = stream_features({"rows": np.array(1.0), "width": widths}, sms=1)["power"]
    assert powers.tolist() == [1, 2, 4, 4, 1024, 2048]


def test_a_correction_is_the_log_of_a_factor() -> None:
    """An eighth more for 3 rows, a tenth less for 6."""
    corrected = replace(STREAM, correction=Forest.parse(["rows/sms<=1.5 1178 -1054"]))
    sizes = checked_sizes("add", {"rows": [3, 6], "width": 7})
    busy_ns, factor = corrected.busy_ns("add", sizes, dtype="fp16")
    assert busy_ns.tolist() == [63, 126]
    assert factor == pytest.approx([1.125, 0.9], abs=1e-4)


@given(model=streams())
def test_a_model_comes_back_from_a_file_bit_for_bit(model: StreamModel) -> None:
    assert StreamModel.from_fields(through_a_file(model.to_dict())) == model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kinds": ("linear",), "launch_ns": (1.0,)},
            "kinds are linear: must be among softmax, norm, gelu, add",
        ),
        ({"sms": -1}, "sms is -1: must be 1 or more"),
        ({"bandwidth_gb_s": -1.0}, "bandwidth_gb_s is -1.0: must be finite and above 0"),
        ({"launch_ns": ()}, "launch_ns holds 0 numbers: must hold one per kind, 4"),
        (
            {"launch_ns": (1.0, 1.0, 1.0, math.inf)},
            "launch_ns.add is inf: must be finite and 0 or more",
        ),
        ({"relative_error": -1.0}, "relative_error is -1.0: must be finite and 0 or more"),
        (
            {"correction": Forest.parse(["rows<=1 2 cols<=1 2 3"])},
            "correction tests 'cols', which no shape has",
        ),
    ],
)
def test_a_parameter_out_of_range_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        replace(STREAM, **change)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"dtypes": ["int8"]},
            "streams[0].dtype is 'int8': must be one of fp32, fp16, bf16",
        ),
        ({"kinds": "add"}, "streams[0].kinds: found text 'add', allowed is a list"),
        (
            {"correction": ["7 7"]},
            "streams[0].correction: tree 0: the tree ends after 1 of 2 words",
        ),
        (
            {"correction": ["cols<=1 2 3"]},
            "streams[0].correction tests 'cols', which no shape has",
        ),
        (
            {"kernels": []},
            (
                "streams[0].kernels: unknown key; known here are kinds, dtypes, sms, "
                "bandwidth_gb_s, launch_ns, relative_error, fitted, correction"
            ),
        ),
    ],
)
def test_a_file_out_of_range_is_refused_by_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        StreamModel.from_fields(Fields(STREAM.to_dict() | change, "streams[0]"))
    assert str(caught.value) == message
