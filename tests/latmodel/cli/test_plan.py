from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from latmodel.readings import PARTS, Reading, Readings, read_readings
from latmodel.rounds import next_rows
from tests.latmodel.cli.command import Answer, latmodel_command

FULL = 101
ROOT = Path(__file__).resolve().parents[3]


def plan(capsys: pytest.CaptureFixture[str], *args: object) -> Answer:
    return latmodel_command(capsys, "plan", "--model", "test_vit", *map(str, args))


def fill_in(results: Path, latency_ns: int = 5_000) -> None:
    """Write a latency into every empty row, as a person would."""
    rows = read_readings(results, full=FULL).rows
    filled = (Reading(r.part, r.count, r.latency_ns or latency_ns * r.count) for r in rows)
    results.write_text(Readings(tuple(filled)).to_csv(), encoding="utf-8")


def test_the_first_round_is_written_to_be_filled_in(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The folder is made; every row of the first round stands there, without latency."""
    out = tmp_path / "new" / "board"
    answer = plan(capsys, "--max-probes", 4, "--out", out)
    results = out / "results.csv"
    rows = next_rows(FULL, Readings(()), max_probes=4)
    text = "".join(f"{part},{count},\n" for part, count in rows)
    assert results.read_text(encoding="utf-8") == f"part,tokens,latency_ms\n{text}"
    assert answer == Answer(
        0,
        f"{results}: {len(rows)} rows to measure; fill in their latency, then call again with "
        f"--from {results}\n",
        "",
    )
    assert [path.name for path in out.iterdir()] == ["results.csv"]


def test_rounds_go_on_until_all_is_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What was measured stays; the last call names the next command and writes nothing."""
    results = tmp_path / "results.csv"
    options = ("--batch", 2, "--max-probes", 7, "--round-size", 2, "--out", tmp_path)
    plan(capsys, *options)
    for _ in range(10):
        fill_in(results)
        before = results.read_text(encoding="utf-8")
        answer = plan(capsys, *options, "--from", results)
        assert (answer.status, answer.err) == (0, "")
        if results.read_text(encoding="utf-8") == before:
            break
        assert results.read_text(encoding="utf-8").startswith(before)
    assert answer.out == (
        f"done: all is measured; now run: latmodel import {results} --model test_vit --batch 2 "
        "--dtype fp32 --device-name NAME --out here.yaml\n"
    )
    readings = read_readings(results, full=FULL)
    assert [len(readings.measurements(part)) for part in PARTS] == [7, 7, 4, 1, 1]


def test_rows_without_latency_are_skipped_with_a_note(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    results = tmp_path / "results.csv"
    plan(capsys, "--out", tmp_path)
    before = results.read_text(encoding="utf-8")
    answer = plan(capsys, "--from", results, "--out", tmp_path)
    assert results.read_text(encoding="utf-8") == before
    pending = len(read_readings(results, full=FULL).pending)
    assert answer.err == f"{results}: {pending} rows have no latency yet; skipped\n"


def test_results_that_this_call_has_not_read_are_never_overwritten(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    results = tmp_path / "results.csv"
    plan(capsys, "--out", tmp_path)
    fill_in(results)
    before = results.read_text(encoding="utf-8")
    (tmp_path / "other.csv").write_text("part,tokens,latency_ms\n", encoding="utf-8")
    refused = Answer(
        2,
        "",
        f"latmodel: {results} is there already: go on with --from {results}, or name another "
        "folder\n",
    )
    assert plan(capsys, "--out", tmp_path) == refused
    assert plan(capsys, "--from", tmp_path / "other.csv", "--out", tmp_path) == refused
    assert results.read_text(encoding="utf-8") == before


def test_results_from_elsewhere_go_into_the_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In any unit; they are written on in ms."""
    mine = tmp_path / "mine.csv"
    mine.write_text("part,tokens,latency_us\nblock,1,2.5\n", encoding="utf-8")
    assert plan(capsys, "--from", mine, "--out", tmp_path / "board").status == 0
    written = (tmp_path / "board" / "results.csv").read_text(encoding="utf-8")
    assert written.startswith("part,tokens,latency_ms\nblock,1,0.002500\nblock,101,\n")
    assert mine.read_text(encoding="utf-8") == "part,tokens,latency_us\nblock,1,2.5\n"


def test_a_malformed_file_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("part,tokens,latency_ms\nblock,102,1\n", encoding="utf-8")
    assert plan(capsys, "--from", mine, "--out", tmp_path) == Answer(
        2,
        "",
        f"latmodel: {mine}: line 2, tokens: found '102', allowed is a whole number from 1 to "
        "101\n",
    )


def test_a_folder_that_cannot_be_made_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "board"
    assert plan(capsys, "--out", place) == Answer(
        2, "", f"latmodel: {place}: cannot write: Not a directory\n"
    )


def test_a_tool_without_files_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert plan(capsys, "--tool", "trtexec", "--out", tmp_path) == Answer(
        2,
        "",
        "latmodel: --tool writes a script that times ONNX files: give --onnx too (see latmodel "
        "plan --help)\n",
    )


def test_planning_by_hand_imports_neither_torch_nor_timm(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from latmodel.cli import latmodel\n"
        "latmodel(sys.argv[1:], standalone_mode=False)\n"
        "print(*sorted({'torch', 'timm', 'onnx'} & set(sys.modules)))\n"
    )
    words = ("plan", "--model", "deit_small_patch16_224", "--out", str(tmp_path))
    ended = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-W", "error", "-c", code, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.splitlines()[1:] == [""]


def test_openvinos_own_tool_fills_the_results_in(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """For real, with the two rows that are left: files, script, timings, and read back."""
    tools = Path(sys.executable).parent
    if shutil.which("benchmark_app", path=str(tools)) is None:
        pytest.skip("benchmark_app is not installed beside this Python: pip install openvino")
    pytest.importorskip("onnxscript", reason="needs pip install 'token-budget[onnx]'")
    left = (("block", FULL), ("cut", 1))
    results = tmp_path / "results.csv"
    plan(capsys, "--max-probes", 2, "--out", tmp_path)
    rows = read_readings(results, full=FULL).rows
    known = [Reading(r.part, r.count, 1_000) for r in rows if (r.part, r.count) not in left]
    results.write_text(Readings(tuple(known)).to_csv(), encoding="utf-8")
    options = ("--max-probes", 2, "--from", results, "--out", tmp_path)
    answer = plan(capsys, *options, "--onnx", "--tool", "benchmark_app")
    assert answer.out == (
        f"{results}: 2 rows to measure; run sh measure.sh there on the board, then call again "
        f"with --from {results}\n"
    )
    names = {"block-101.onnx", "cut-1.onnx", "results.csv", "measure.sh"}
    assert {path.name for path in tmp_path.iterdir()} == names
    ended = subprocess.run(  # noqa: S603 (our own script)
        ["sh", str(tmp_path / "measure.sh")],  # noqa: S607 (the shell there is)
        env={
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PASSES": "1",
            "OPTIONS": "-d CPU -hint latency -niter 5 -infer_precision f32",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    readings = read_readings(results, full=FULL)
    assert readings.rows[:-4] == tuple(known)
    assert [(row.part, row.count) for row in readings.rows[-4:]] == [*left, *left]
    assert readings.pending == ()
    assert plan(capsys, *options).out.startswith("done: all is measured; now run: latmodel ")
