"""The shipped profiles of data-centre GPUs, against the readings that they were made from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latmodel.catalogue import read_profile
from latmodel.files import data_folder
from latmodel.operator_kinds import itemsize
from latmodel.operators import OperatorModel
from latmodel.workloads import find_workload

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("a100", "a40", "h200", "l40s", "p100", "p4", "rtx3090", "t4", "v100")

PEAKS = {  # multiply-adds and bytes per ns by the data sheets: tensor cores for 16 bits
    "a100": (156e3, 2039),
    "a40": (75e3, 696),
    "h200": (495e3, 4800),
    "l40s": (181e3, 864),
    "p100": (4760, 732),
    "p4": (2850, 192),
    "rtx3090": (71e3, 936),
    "t4": (4070, 320),
    "v100": (7015, 900),
}
MOST_PERCENT = {"l40s": 8, "p4": 11, "t4": 9}  # of the linears, by their own account


def operators(name: str) -> OperatorModel:
    """The operator model of a shipped profile."""
    found = read_profile(name).operators
    assert found is not None
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_says_where_it_is_from_and_how_far_off_it_is(name: str) -> None:
    profile = read_profile(name)
    assert all(source.licence and source.measured for source in profile.provenance)
    linears = [figure for figure in profile.errors if figure.what.startswith("linear")]
    assert linears
    assert min(figure.mean_percent for figure in linears) <= MOST_PERCENT.get(name, 5)
    assert (data_folder() / f"{name}.yaml").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_no_linear_beats_the_data_sheet(name: str) -> None:
    """Nothing is faster than its arithmetic at the peak and its memory at full speed."""
    model, (peak, bandwidth) = operators(name), PEAKS[name]
    rows, k, n = (a.ravel() for a in np.meshgrid([197, 1576, 8192], [768, 4096], [768, 4096]))
    for dtype in model.dtypes:
        latency_ns = model.latency_ns(
            "linear", dtype=dtype, rows=rows, in_features=k, out_features=n
        )
        compute_ns = rows * k * n / peak
        weights_ns = 1.0 * k * n * itemsize(dtype) / bandwidth
        assert np.all(latency_ns > compute_ns)
        # Where weights stay in a large cache between runs, they are read faster than that.
        assert np.all(latency_ns > 0.2 * weights_ns)
        assert np.all(latency_ns < 20 * (compute_ns + weights_ns) + 100e3)


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_model_costs_less_with_half_of_its_tokens(name: str) -> None:
    """At batch 64, which no launch hides."""
    profile = read_profile(name)
    workload = find_workload("vit_base_patch16_224", batch=64, dtype=profile.default_dtype)
    table = profile.table(workload)
    half = table.latency_ns((98,) * workload.depth)
    assert 0.3 * table.dense_ns < half < 0.8 * table.dense_ns


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_explains_the_readings_it_was_made_of(
    name: str, benchmark_file: Callable[[str], Any]
) -> None:
    """A sample of each source's readings: no worse than what is stated of unseen ones."""
    folder = Path(os.environ.get("LATMODEL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: set LATMODEL_DATA to the public readings")
    recipes, data = benchmark_file("gpu_recipes").RECIPES, benchmark_file("operator_data")
    model = operators(name)
    for source in recipes[name].sources:
        for key, kinds in source.readings:
            for one in data.SOURCES[key](folder):
                if kinds and one.kind not in kinds:
                    continue
                chosen = np.random.default_rng(0).permutation(len(one))[:2000]
                some = one.where(np.isin(np.arange(len(one)), chosen))
                dtype = source.dtype or one.dtype
                read_ns = some.latency_ns
                predicted_ns = model.latency_ns(one.kind, dtype=dtype, **some.sizes)
                percent = 100 * np.mean(np.abs(predicted_ns / read_ns - 1))
                assert percent < 11, f"{one.kind} {dtype} of {key}"
