"""The script that makes the profiles of data-centre GPUs: its recipes, and a profile of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latmodel.card import HARNESSES
from latmodel.catalogue import read_profile, write_profile
from latmodel.operator_kinds import DIMS, itemsize
from latmodel.operator_readings import OperatorReadings
from latmodel.operator_rivals import errors_of
from latmodel.profile import DeviceProfile
from latmodel.workload import DTYPES
from latmodel.workloads import find_workload
from tests.latmodel.made_up_operators import made_up_readings

Load = Callable[[str], Any]

SMS = {
    "p4": 20,
    "t4": 40,
    "p100": 56,
    "v100": 80,
    "a100": 108,
    "l40s": 142,
    "h200": 132,
    "a40": 84,
    "rtx3090": 82,
}
"""From NVIDIA's data sheets, written down a second time."""

EAGER = made_up_readings("linear", count=120)
GRAPH = made_up_readings("linear", dtype="bf16", count=120)
NORM = made_up_readings("norm", dtype="fp16", count=120)
GELU = made_up_readings("gelu", dtype="fp16", count=120)
UNSEEN = replace(
    made_up_readings("linear", dtype="fp16", count=50), latency_ns=np.full(50, 7_000.0)
)
READINGS = {
    "a100": (EAGER,),
    "a100-80gb": (GRAPH,),
    "a100-80gb-vidur": (UNSEEN, NORM, GELU),
}
"""Of a made-up device, by the names of the sources of the A100's recipe."""


@pytest.fixture(scope="module")
def recipes(benchmark_file: Load) -> Any:
    return benchmark_file("gpu_recipes").RECIPES


@pytest.fixture(scope="module")
def fit_profiles(benchmark_file: Load) -> Any:
    return benchmark_file("fit_profiles")


@pytest.fixture(scope="module")
def a100(fit_profiles: Any, recipes: Any) -> DeviceProfile:
    """The recipe with most to it, of small made-up sources."""
    told: list[str] = []
    profile, fitted = fit_profiles.make_profile(
        "a100", recipes["a100"], READINGS.__getitem__, talk=told.append
    )
    assert len(told) == len(fitted.held_out) == 4
    assert isinstance(profile, DeviceProfile)
    return profile


def test_every_recipe_names_sources_that_are_there(benchmark_file: Load, recipes: Any) -> None:
    sources = benchmark_file("operator_data").SOURCES
    assert {name: recipe.sources[0].card.sms for name, recipe in recipes.items()} == SMS
    for recipe in recipes.values():
        for source in recipe.sources:
            assert source.card.sms == recipe.sources[0].card.sms
            assert {name for name, _ in source.readings} <= set(sources)
            assert {kind for _, kinds in source.readings for kind in kinds} <= set(DIMS)
            assert source.harness in HARNESSES
            assert source.licence
            assert "commit" in source.who
            assert {source.dtype, source.also} <= {"", *DTYPES}
            assert set(source.card.peak_gflops) <= set(DTYPES)
        assert {name for name, _ in recipe.checks} <= set(sources)


def test_two_cards_make_one_profile(a100: DeviceProfile) -> None:
    model = a100.operators
    assert model is not None
    assert model.dtypes == ("fp32", "bf16", "fp16")
    assert model.mode == "eager"
    assert [part.bandwidth_gb_s for part in model.streams if "softmax" in part.kinds] == [
        pytest.approx(0.65 * 1555, rel=1e-4),
        pytest.approx(0.65 * 2039, rel=1e-4),
    ]
    assert [p.licence for p in a100.provenance] == [
        "MIT",
        "Apache-2.0 (aiconfigurator); MIT (Vidur)",
    ]
    assert a100.provenance[1].measured.startswith(
        "bf16: linear (120 timings), norm (120 timings), gelu (120 timings); products of"
    )


def test_what_was_not_timed_is_said_at_every_use(a100: DeviceProfile, recipes: Any) -> None:
    assert a100.confidence == "low"
    assert a100.warnings[-4:] == recipes["a100"].warnings
    assert a100.warnings[:-4] == (
        "derived, not timed: fp32: bmm from the kernels of its linears",
        "derived, not timed: fp32: softmax, norm, gelu, add from the specified bandwidth and "
        "the launch of its linears",
        "derived, not timed: bf16: bmm from the kernels of its linears",
        "derived, not timed: bf16: softmax, add from the specified bandwidth and the launch of "
        "its linears",
        "derived, not timed: fp16 as bf16, whose kernels it shares; not timed in fp16",
    )


def test_a_check_is_of_readings_that_were_not_fitted(a100: DeviceProfile) -> None:
    """The made-up check takes 7 us whatever is asked: the profile knows better."""
    assert a100.operators is not None
    said = a100.operators.cost("linear", UNSEEN.sizes, dtype="fp16").latency_ns
    expected = round(errors_of(said, UNSEEN.latency_ns).mean, 1)
    assert expected > 20
    assert a100.errors[-1].to_dict() == {
        "what": "linears of three language models in fp16 by Vidur, unseen",
        "mean_percent": expected,
        "rows": 50,
    }


def test_the_profile_can_be_read_back_and_answers(a100: DeviceProfile, tmp_path: Path) -> None:
    write_profile(tmp_path / "a100.yaml", a100)
    again = read_profile(tmp_path / "a100.yaml")
    assert again.to_dict() == a100.to_dict()
    for dtype in ("fp32", "bf16", "fp16"):
        table = again.table(find_workload("test_vit", dtype=dtype))
        assert table.dense_ns > 0


def test_the_streams_of_one_source_serve_the_linears_of_another(
    fit_profiles: Any, recipes: Any
) -> None:
    """Streams move bytes: Vidur's fp16 stands for bf16, and its linears are left out."""
    _, second = recipes["a100"].sources
    parts: tuple[OperatorReadings, ...]
    parts = fit_profiles.readings_of(second, READINGS.__getitem__)
    assert [(part.kind, part.dtype) for part in parts] == [
        (kind, "bf16") for kind in ("linear", "norm", "gelu")
    ]
    assert itemsize(NORM.dtype) == itemsize("bf16")
    assert parts[1].latency_ns.tolist() == NORM.latency_ns.tolist()


def test_a_report_tells_size_and_time_to_read(
    fit_profiles: Any,
    recipes: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The whole script, on a source whose file holds a few made-up readings."""
    (tmp_path / "jetson").mkdir()
    monkeypatch.setenv("LATMODEL_DATA", str(tmp_path))
    monkeypatch.setitem(fit_profiles.SOURCES, "h200", lambda _: (GRAPH,))
    monkeypatch.setattr("sys.argv", ["fit_profiles.py", "h200", "--out", str(tmp_path)])
    fit_profiles.main()
    said = capsys.readouterr()
    assert said.err == "h200: fitting linear in bf16, 120 readings\n"
    lines = said.out.splitlines()
    assert lines[1] == f"h200: {recipes['h200'].device}; confidence low"
    size = (tmp_path / "h200.yaml").stat().st_size
    assert lines[-1].startswith(f"{tmp_path}/h200.yaml: {size / 1e3:.0f} kB, read in ")


def test_a_name_without_recipe_is_refused(
    fit_profiles: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fit_profiles.py", "gtx"])
    with pytest.raises(SystemExit) as caught:
        fit_profiles.main()
    assert caught.value.code == 2
    assert "no recipe for 'gtx': there are p4, t4, " in capsys.readouterr().err


def test_few_widths_and_whole_models_are_figures_of_the_profile(
    fit_profiles: Any, recipes: Any, folder_of_models: Path
) -> None:
    """The recipe of the RTX 3090, with made-up readings in place of its source."""
    told: list[str] = []
    profile, fitted = fit_profiles.make_profile(
        "rtx3090", recipes["rtx3090"], {"rtx3090": (GRAPH,)}.__getitem__, talk=told.append
    )
    assert told == [
        "linear in bf16, 120 readings",
        "linear in bf16, without some widths in turn",
    ]
    assert len(fitted.held_out) == 1
    profile = fit_profiles.with_whole_models(profile, folder_of_models / "timm.csv")
    assert [(figure.what, figure.rows) for figure in profile.errors] == [
        ("linear in bf16, shapes held out", fitted.held_out[0].rows),
        ("linear in bf16, inputs and outputs held out", 120),
        ("whole timm models in amp, batches of hundreds, attention fused, none fitted", 1),
    ]


@pytest.fixture
def folder_of_models(tmp_path: Path) -> Path:
    (tmp_path / "timm.csv").write_text(
        "model,infer_step_time,infer_batch_size\ntest_vit,1,64\n", encoding="utf-8"
    )
    return tmp_path
