from __future__ import annotations

from pathlib import Path

import pytest

from latmodel.catalogue import read_profile
from latmodel.measurement import Measurement
from latmodel.workloads import find_workload
from tests.latmodel.cli.command import Answer, latmodel_command

# test_vit: 6 blocks on 101 tokens.
ROWS = """\
part,tokens,latency_us
block,1,100
block,1,102
block,101,202
block,101,202
block,50,
mlp,1,50
mlp,101,80
cut,1,30
cut,101,40
ends,101,300
model,101,1510
"""
DEVICE = "Paper Board, 10 W"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    place = tmp_path / "results.csv"
    place.write_text(ROWS, encoding="utf-8")
    return place


def import_(capsys: pytest.CaptureFixture[str], *args: object) -> Answer:
    words = ("import", "--model", "test_vit", "--device-name", DEVICE, *map(str, args))
    return latmodel_command(capsys, *words)


def test_a_results_file_becomes_a_profile_that_answers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, results: Path
) -> None:
    """By hand: 300 us, and six blocks of 202 us, which read the same twice."""
    out = tmp_path / "here.yaml"
    answer = import_(capsys, results, "--runtime", "TensorRT 10.3", "--out", out)
    assert answer == Answer(
        0,
        f"{out}: test_vit at batch 1 on {DEVICE}: 1.51 ms unpruned; confidence medium\n",
        f"{results}: 1 rows have no latency yet; skipped\n",
    )
    profile = read_profile(out)
    (curves,) = profile.curves
    assert curves.workload == find_workload("test_vit")
    assert curves.blocks.probes == (
        Measurement(1, (600_000, 612_000)),
        Measurement(101, (1_212_000, 1_212_000)),
    )
    assert profile.provenance[0].source == "latmodel import of results.csv, TensorRT 10.3"
    assert profile.environment is not None
    assert profile.environment.runtime == "TensorRT 10.3"
    assert profile.table(curves.workload).dense_ns == 300_000 + 6 * 202_000
    words = ("predict", "--model", "test_vit", "--device-profile", str(out))
    assert latmodel_command(capsys, *words).out.startswith("  101 tokens       1.512 ms")


def test_batch_and_dtype_are_those_of_the_profile(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, results: Path
) -> None:
    out = tmp_path / "here.yaml"
    assert import_(capsys, results, "--batch", 8, "--dtype", "fp16", "--out", out).status == 0
    (curves,) = read_profile(out).curves
    assert curves.workload == find_workload("test_vit", batch=8, dtype="fp16")


def test_warnings_are_said_and_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, results: Path
) -> None:
    text = "".join(row for row in ROWS.splitlines(True) if not row.startswith("ends"))
    results.write_text(text, encoding="utf-8")
    answer = import_(capsys, results, "--out", tmp_path / "here.yaml")
    warning = (
        "no row of ends: estimated, embedding and head by their arithmetic, at the speed of a "
        "block"
    )
    assert f"warning: {warning}\n" in answer.err
    assert answer.out.endswith("; confidence low\n")
    assert warning in read_profile(tmp_path / "here.yaml").warnings


def test_missing_rows_are_one_line_and_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, results: Path
) -> None:
    results.write_text("part,tokens,latency_ms\nblock,1,1\n", encoding="utf-8")
    assert import_(capsys, results, "--out", tmp_path / "here.yaml") == Answer(
        2,
        "",
        "latmodel: not measured: block,101; each curve must hold 1 and the full count 101\n",
    )
    assert not (tmp_path / "here.yaml").exists()


def test_a_place_that_cannot_be_written_is_refused_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Before the results, which are not there, are looked at."""
    out = tmp_path / "none" / "here.yaml"
    assert import_(capsys, tmp_path / "none.csv", "--out", out) == Answer(
        2, "", f"latmodel: {out}: cannot write: there is no folder {tmp_path}/none\n"
    )


def test_results_that_are_not_there_are_one_line_and_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = tmp_path / "none.csv"
    assert import_(capsys, place, "--out", tmp_path / "here.yaml") == Answer(
        2, "", f"latmodel: {place}: No such file or directory\n"
    )
