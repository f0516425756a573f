"""The benchmark of probing: its curves, its noise, its trials and its table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latmodel.curve import Curve
from latmodel.measurement import Measurement
from latmodel.runtimes.torch_eager import TorchEager

Load = Callable[[str], Any]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made_up(benchmark_file: Load) -> list[Any]:
    return list(benchmark_file("probing_staircases").made_up_curves(seeds=3))


@pytest.fixture(scope="module")
def methods(benchmark_file: Load) -> Any:
    pytest.importorskip("sklearn")
    return benchmark_file("probing_methods")


def test_made_up_curves_are_the_same_at_every_call(
    benchmark_file: Load, made_up: list[Any]
) -> None:
    again = list(benchmark_file("probing_staircases").made_up_curves(seeds=3))
    assert [curve.name for curve in again] == [curve.name for curve in made_up]
    for one, other in zip(again, made_up, strict=True):
        assert one.latency_ns.tolist() == other.latency_ns.tolist()
    whole = {tuple(curve.latency_ns.tolist()) for curve in made_up}
    assert len(whole) == len(made_up) == 3 * 2 * 2  # none is another


def test_staircases_have_edges_and_smooth_curves_none(
    benchmark_file: Load, made_up: list[Any]
) -> None:
    edges: dict[str, int] = {"staircases": 0, "smooth": 0}
    for curve in made_up:
        edges[curve.family] += len(benchmark_file("probing_scoring").Truth.of(curve).edges)
    assert edges["smooth"] == 0
    assert edges["staircases"] > 10


def test_measured_curves_are_there(benchmark_file: Load) -> None:
    folder = Path(os.environ.get("LATMODEL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "dense_curves").is_dir():
        pytest.skip("the readings are not on this machine; LATMODEL_DATA names them")
    curves = {curve.name: curve for curve in benchmark_file("probing_curves").measured_curves()}
    assert len(curves) == 12 + 28 + 15
    block = curves["RTX 3090 tp1 block, 197"]
    # The file's twelve layers at 64 tokens, added by hand, in ns.
    assert block.latency_ns[63] == 727_376
    assert (block.counts[0], block.counts[-1], block.probes) == (1, 197, 24)
    halves = [curves[f"RTX 3090 tp1 {half}, 197"].latency_ns for half in ("attention", "MLP")]
    assert np.abs(sum(halves) - block.latency_ns).max() <= 1  # rounded each
    assert curves["H200 width 1024, 577"].counts[-1] == 513


def test_readings_of_one_count_become_their_median(benchmark_file: Load) -> None:
    readings = [("q", 8, 1.0), ("q", 8, 9.0), ("q", 8, 2.0), ("q", 16, 4.0)]
    assert benchmark_file("probing_curves")._medians(readings) == {"q": {8: 2.0, 16: 4.0}}


def test_a_missing_folder_is_one_line(
    benchmark_file: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "jetson").mkdir()
    monkeypatch.setenv("LATMODEL_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        benchmark_file("probing_curves").measured_curves()
    assert ended.value.code == (
        f"{tmp_path}: no dense_curves here; set LATMODEL_DATA to the folder of readings"
    )


def test_a_device_without_noise_tells_the_truth(methods: Any, made_up: list[Any]) -> None:
    device = methods.Device(methods.Trial(made_up[0], 0.0, 0))
    assert [device.read(64), device.read(64)] == [made_up[0].latency_ns[63]] * 2
    assert device.asked == [64, 64]


def test_noise_has_the_size_that_was_asked_for(methods: Any, made_up: list[Any]) -> None:
    device = methods.Device(methods.Trial(made_up[0], 0.05, 1))
    shares = np.array([device.read(64) for _ in range(4000)]) / made_up[0].latency_ns[63]
    slow = shares > 2
    assert np.mean(slow) == pytest.approx(0.02, abs=0.01)
    assert np.std(shares[~slow]) == pytest.approx(0.05, rel=0.1)
    assert np.mean(shares[slow]) == pytest.approx(3, rel=0.05)
    again = methods.Device(methods.Trial(made_up[0], 0.05, 1))
    other = methods.Device(methods.Trial(made_up[0], 0.05, 2))
    assert again.read(64) / made_up[0].latency_ns[63] == shares[0]
    assert other.read(64) / made_up[0].latency_ns[63] != shares[0]


def test_every_method_measures_as_many_counts(methods: Any, made_up: list[Any]) -> None:
    trial = methods.Trial(made_up[0], 0.0, 0)
    results = {result.method: result for result in methods.try_methods(trial)}
    assert len(results) == 9
    ours = results["ours"]
    assert 2 <= ours.counts <= trial.curve.probes
    for method, result in results.items():
        if method.startswith("uniform"):
            assert result.counts == ours.counts
            assert result.score.errors.max() < 1
    swept = results["full sweep"].score
    assert swept.errors.max() == 0
    assert swept.edges[0] == swept.edges[1] > 0
    assert max(swept.overshoots) == max(swept.losses) == 0
    straight = results["FLOPs: latency as tokens"].score.errors
    assert straight[-1] == 0
    assert straight[0] > 0.5  # there are launches


@pytest.mark.usefixtures("methods")
@pytest.mark.parametrize(
    "method", ["straight lines", "isotonic", "Gaussian process", "two segments"]
)
def test_baselines_follow_a_straight_line(benchmark_file: Load, method: str) -> None:
    counts = np.arange(1, 101)
    line = 1000.0 + 10 * counts
    places = benchmark_file("probing_baselines").uniform_places(100, 12)
    assert (places[0], places[-1], len(places)) == (0, 99, 12)
    fit = benchmark_file("probing_baselines").BASELINES[f"uniform, {method}"]
    assert np.abs(fit(counts[places], line[places], counts) / line - 1).max() < 0.005


@pytest.mark.usefixtures("methods")
def test_two_segments_find_their_knee(benchmark_file: Load) -> None:
    counts = np.arange(1, 101)
    bent = 1000.0 + 30 * np.maximum(counts - 40, 0)
    places = benchmark_file("probing_baselines").uniform_places(100, 12)
    found = benchmark_file("probing_baselines").two_segments(
        counts[places], bent[places], counts
    )
    assert np.abs(found / bent - 1).max() < 1e-6


def test_a_line_of_the_table(methods: Any, benchmark_file: Load, made_up: list[Any]) -> None:
    """Errors of 10, 20 and 90 % at three counts, the last of them in a zone."""
    scored = benchmark_file("probing_scoring").Score(
        errors=np.array([0.1, 0.2, 0.9]),
        calm=np.array([True, True, False]),
        edges=(1, 2, 3),
        covered=np.array([True, False, True]),
        overshoots=(0.0, 0.0),
        losses=(0.25, 0.75),
    )
    result = methods.Result(methods.Trial(made_up[0], 0.03, 0), "ours", 24, 48, 0.0, scored)
    table = benchmark_file("probing_table")
    groups = table.grouped([result, result], each=False)
    assert list(groups) == [("staircases", "3", "ours"), ("all", "3", "ours")]
    line = table.line(*next(iter(groups.items())))
    expected = ["24", "48", "40.00", "90.00", "15.00", "20.00"]
    assert line == (
        *("staircases", "3", "ours", *expected),
        *("2 of 4", "6", "66.67", "0.00", "50.00"),
    )
    rows = table.aligned([table.HEAD, line]).splitlines()
    assert len({len(row) for row in rows}) == 1
    assert len({row.count("|") for row in rows}) == 1


def test_curves_agree_with_themselves_and_not_with_twice(benchmark_file: Load) -> None:
    here = benchmark_file("probing_here")
    counts = np.arange(1, 6)
    one, twice = (
        Curve(tuple(Measurement(n, (scale * 1000,) * 9) for n in counts.tolist()))
        for scale in (1, 2)
    )
    assert here.agreement(one, one, counts) == 1.0
    assert here.agreement(one, twice, counts) == 0.0


def test_a_sweep_reads_every_count(benchmark_file: Load) -> None:
    seen: list[int] = []
    swept = benchmark_file("probing_here").sweep(
        TorchEager("test_vit"), 0.0, lambda: seen.append(1)
    )
    assert len(seen) == len(swept.counts) == 101
    assert swept.readings == 3 * 101
    assert swept.latency_ns.min() > 0
