"""Carrying by data sheets, by hand; and that a calibration is scored on rows it never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latmodel.scaling import scaled
from tests.latmodel.planted_boards import MODEL, read_on

Load = Callable[[str], Any]

SHEET = (
    "Device,Dev_Mem,Mem_Bw,Num_Sm,Core_Per_SM,Freq\n"
    "NVIDIA A100-PCIE-40GB,40,1555,108,64,1410\n"
    "Tesla P100-PCIE-16GB,16,732,56,64,1380\n"
    "Tesla P4,8,192,40,64,1113\n"
    "Tesla T4,15,320,40,64,1590\n"
    "Tesla V100-PCIE-32GB,32,900,80,64,1370\n"
)


@pytest.fixture
def carrying(benchmark_file: Load) -> Any:
    return benchmark_file("carrying")


@pytest.fixture
def calibrating(benchmark_file: Load) -> Any:
    return benchmark_file("calibrating")


def test_a_sheet_is_read_and_a_wrong_count_put_right(carrying: Any, tmp_path: Path) -> None:
    """A P4 has 20 multiprocessors of 128 cores, not 40 of 64."""
    (tmp_path / "device_specs_gpu.csv").write_text(SHEET)
    found = carrying.specifications(tmp_path)
    assert list(found) == ["p4", "t4", "p100", "v100", "a100"]
    assert found["p4"] == carrying.Specification(
        sms=20, cores=128, mhz=1113, bandwidth_gb_s=192
    )
    assert found["t4"] == carrying.Specification(sms=40, cores=64, mhz=1590, bandwidth_gb_s=320)


def test_a_device_carried_to_itself_is_itself(carrying: Any) -> None:
    spec = carrying.Specification(sms=8, cores=64, mhz=1000, bandwidth_gb_s=60)
    assert carrying.carried(MODEL.products[0], spec, spec) == MODEL.products[0]


def test_clock_cores_and_memory_act_on_what_they_drive(carrying: Any) -> None:
    """Half the clock, twice the cores, a third of the bandwidth."""
    here = carrying.Specification(sms=8, cores=64, mhz=1000, bandwidth_gb_s=60)
    there = carrying.Specification(sms=5, cores=128, mhz=500, bandwidth_gb_s=20)
    part = carrying.carried(MODEL.products[0], here, there)
    assert (part.sms, part.bandwidth_gb_s) == (5, 20)
    large = part.kernels[0]
    assert (large.wave_ns, large.element_ns, large.first_element_ns) == (800, 60, 40)
    assert large.split_ns == pytest.approx(9)
    assert part.launch_ns == MODEL.products[0].launch_ns
    assert part.throttle == MODEL.products[0].throttle


def test_rows_that_are_scored_were_not_seen(
    calibrating: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten of forty go to the fit, the other thirty to the score."""
    (read,) = read_on(MODEL, ("linear",), 40)
    seen: list[set[float]] = []
    calibrate, errors = calibrating.calibrate, calibrating._log_errors

    def fit(model: Any, groups: Any) -> Any:
        seen.append(set(groups[0].latency_ns.tolist()))
        return calibrate(model, groups)

    def score(model: Any, rows: Any) -> Any:
        seen.append(set(rows.latency_ns.tolist()))
        return errors(model, rows)

    monkeypatch.setattr(calibrating, "calibrate", fit)
    monkeypatch.setattr(calibrating, "_log_errors", score)
    calibrating.score(MODEL, read, 10, 0)
    fitted, before, few, after = seen
    assert (len(fitted), len(before)) == (10, 30)
    assert (few, after) == (fitted, before)
    assert not fitted & after


def test_a_board_that_is_slower_in_all_needs_one_factor(calibrating: Any) -> None:
    """Three times as slow: 67 % before, next to nothing after, stated as such."""
    board = scaled(MODEL, dict.fromkeys(("launch", "compute", "memory"), log(3)))
    board = replace(
        board, products=(replace(board.products[0], throttle=None), *board.products[1:])
    )
    base = replace(
        MODEL, products=(replace(MODEL.products[0], throttle=None), *MODEL.products[1:])
    )
    (read,) = read_on(board, ("linear",), 200)
    found = calibrating.score(base, read, 20, 0)
    assert found.carried == pytest.approx(200 / 3, abs=0.1)
    assert found.one_factor == pytest.approx(0, abs=0.1)
    assert found.calibrated < 3
    assert found.stated < 4
    assert calibrating.medians([found] * 3) == pytest.approx(found)


def test_thinning_is_the_same_each_time(calibrating: Any) -> None:
    (read,) = read_on(MODEL, ("linear",), 50)
    once, again = (calibrating.thinned(read, 7) for _ in range(2))
    assert len(once) == 7
    assert np.array_equal(once.latency_ns, again.latency_ns)


def test_one_kind_is_a_model(calibrating: Any, carrying: Any) -> None:
    spec = carrying.Specification(sms=8, cores=64, mhz=1000, bandwidth_gb_s=60)
    model = calibrating.as_model(MODEL.products[0], spec)
    assert model.products == MODEL.products[:1]
    assert model.knows("linear", "fp32")
