from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from latmodel.operator_rivals import (
    boosted_trees_ns,
    calibrated_roofline_ns,
    errors_of,
    roofline_ns,
)
from tests.latmodel.made_up_operators import (
    BANDWIDTH_GB_S,
    LAUNCH_NS,
    PEAK_GFLOPS,
    made_up_readings,
)

KINDS = ("linear", "bmm", "attention", "softmax", "norm", "gelu", "add")


@pytest.mark.parametrize("kind", KINDS)
def test_the_sheet_is_the_slower_of_arithmetic_and_memory(kind: str) -> None:
    """The made-up device takes a launch, and twice what its sheet says."""
    readings = made_up_readings(kind)
    said = roofline_ns(readings, peak_gflops=PEAK_GFLOPS, bandwidth_gb_s=BANDWIDTH_GB_S)
    assert said == pytest.approx((readings.latency_ns - LAUNCH_NS) / 2.0)


def test_without_a_peak_the_sheet_knows_memory_alone() -> None:
    """By hand: 2 x 3 and 3 x 5 numbers read, 2 x 5 written, 4 bytes each, 8 bytes per ns."""
    readings = made_up_readings("linear").where(np.arange(150) == 0)
    for name, size in (("rows", 2), ("in_features", 3), ("out_features", 5)):
        readings.sizes[name][:] = size
    assert roofline_ns(readings, peak_gflops=None, bandwidth_gb_s=8.0) == 31 / 2
    assert roofline_ns(readings, peak_gflops=2.0, bandwidth_gb_s=8.0) == 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_fitted_roofline_finds_the_made_up_device_again(kind: str) -> None:
    """On shapes that it never saw."""
    readings = made_up_readings(kind)
    out = readings.held_out()
    said = calibrated_roofline_ns(readings.where(~out), readings.where(out))
    assert said == pytest.approx(readings.latency_ns[out], rel=0.02)


def test_trees_see_what_they_are_given_and_no_more() -> None:
    """Near on what they saw; between shapes they answer by the neighbours they have."""
    readings = made_up_readings("norm", count=600)
    out = readings.held_out()
    seen, asked = readings.where(~out), readings.where(out)
    assert errors_of(boosted_trees_ns(seen, seen), seen.latency_ns).mean < 5
    unseen = boosted_trees_ns(seen, asked)
    assert errors_of(unseen, asked.latency_ns).mean < 15
    other = asked.where(np.arange(len(asked)) > 0)
    assert boosted_trees_ns(seen, other).tolist() == unseen[1:].tolist()


def test_the_libraries_that_fit_are_not_imported_before() -> None:
    code = "import sys, latmodel.operator_rivals; print({'scipy', 'sklearn'} & {*sys.modules})"
    done = subprocess.run(  # noqa: S603 (this Python, on the line above)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
