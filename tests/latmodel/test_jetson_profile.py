"""The shipped Jetson profile is what its script makes, and is as wrong as it says."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latmodel.fields import Fields
from latmodel.files import read_yaml
from latmodel.operator_fitting import parameters
from latmodel.profile import DeviceProfile
from latmodel.workload import Workload

ROOT = Path(__file__).resolve().parents[2]
DEIT_S = Workload(
    model="deit_small_patch16_224",
    depth=12,
    dim=384,
    heads=6,
    head_dim=64,
    mlp_width=1536,
    tokens=197,
    prefix=1,
    patch_inputs=768,
    classes=1000,
)


@pytest.fixture(scope="module")
def shipped() -> DeviceProfile:
    return DeviceProfile.from_fields(Fields(read_yaml(ROOT / "data" / "jetson.yaml")), "jetson")


@pytest.fixture(scope="module")
def script() -> Any:
    """The script, as `python benchmarks/fit_jetson.py` sees it."""
    folder = Path(os.environ.get("LATMODEL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "jetson").is_dir():
        pytest.skip("the Jetson readings are not on this machine; LATMODEL_DATA names them")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("fit_jetson")


@pytest.fixture(scope="module")
def readings(script: Any) -> Any:
    return script.read(script.data_folder())


@pytest.fixture(scope="module")
def found(script: Any, readings: Any) -> Any:
    return script.held_out(readings, script.MAXN)


def test_the_profile_is_what_the_script_makes(
    shipped: DeviceProfile, script: Any, readings: Any, found: Any
) -> None:
    """Words and structure exactly; numbers to 1 %, which other versions of scipy keep."""
    made = script.profile(readings, script.MAXN, found)
    assert made.operators is not None
    assert shipped.operators is not None
    assert parameters(shipped.operators) == pytest.approx(parameters(made.operators), rel=0.01)
    theirs, ours = made.to_dict(), shipped.to_dict()
    for mapping in (theirs, ours):
        mapping.pop("operators")
        mapping.pop("errors")
    assert ours == theirs


def test_the_stated_errors_are_those_of_rows_never_fitted(
    shipped: DeviceProfile, script: Any, readings: Any, found: Any
) -> None:
    for stated, again in zip(
        shipped.errors, script.figures(readings, script.MAXN, found), strict=True
    ):
        assert (stated.what, stated.rows) == (again.what, again.rows)
        assert stated.mean_percent == pytest.approx(again.mean_percent, abs=0.2)


def test_held_out_rows_are_held_out(script: Any, readings: Any, found: Any) -> None:
    """Readings ten times too long for one model must not move what is said of it."""
    spoiled = readings._replace(
        rows={
            mode: [
                replace(
                    row, reading=replace(row.reading, latency_ns=row.reading.latency_ns * 10)
                )
                if row.model == "vit_l_16"
                else row
                for row in rows
            ]
            for mode, rows in readings.rows.items()
        }
    )
    model = script.fit_mode(spoiled, script.MAXN, "vit_l_16")
    expected = [guess.predicted_ns for guess in found if guess.row.model == "vit_l_16"]
    rows = [guess.row for guess in found if guess.row.model == "vit_l_16"]
    assert [g.predicted_ns for g in script.guesses(model, rows)] == pytest.approx(expected)


def test_the_fit_beats_a_fitted_roofline_on_models_held_out(
    script: Any, readings: Any, found: Any
) -> None:
    roofline = script.held_out(readings, script.MAXN, script.fit_roofline)
    for dtype in ("fp32", "fp16", "bf16"):
        ours, theirs = (
            script.mean_percent(script.heavy(each, dtype)) for each in (found, roofline)
        )
        assert ours < 0.7 * theirs


def test_the_profile_owns_up(shipped: DeviceProfile) -> None:
    assert shipped.confidence == "low"
    assert "unlocked clocks" in shipped.warnings[0]
    assert "b6c5e82" in shipped.provenance[0].source
    assert shipped.provenance[0].licence == "MIT"
    assert shipped.operators is not None
    linear = shipped.operators.fitted("linear")
    assert [(s.low, s.high) for s in linear] == [(49, 197), (768, 4096), (768, 4096)]
    attention = shipped.operators.fitted("attention")
    assert [(s.low, s.high) for s in attention] == [(50, 197)] * 3


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_deit_small_is_bound_by_its_launches(shipped: DeviceProfile, dtype: str) -> None:
    """At batch 1 the host is slower than the device: nothing that is cut saves time."""
    assert shipped.operators is not None
    table = shipped.table(DEIT_S.at(dtype=dtype))
    times = {"norm": 2, "linear": 4, "attention": 1, "gelu": 1, "add": 2}
    block = sum(n * shipped.operators.launch_of(kind, dtype=dtype) for kind, n in times.items())
    assert 12 * block < table.dense_ns < 1.15 * 12 * block
    assert np.all(table.segment_ns[0] >= block)


def test_a_batch_of_eight_is_bound_by_the_device(shipped: DeviceProfile) -> None:
    """Tiles of 128 rows end at every 16 tokens of 8 images, and half the tokens pay."""
    table = shipped.table(DEIT_S.at(batch=8))
    assert 1.5 * table.segment_ns[0, 95] < table.segment_ns[0, -1]
    steps = np.flatnonzero(np.diff(table.segment_ns[0]) > 0.01 * table.segment_ns[0, :-1])
    assert set((steps + 1) % 16) == {0}
