"""The script runs in a real shell; a tool that is not here prints what it was seen to print."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from latmodel.readings import Reading, parse_readings
from latmodel.tool_scripts import TOOLS, measure_script, onnx_name
from latmodel.workload import DTYPES

ROWS = (("block", 64), ("ends", 197))

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")

# NVIDIA/TensorRT, issue 4177
TENSORRT_10 = """\
[10/03/2024-10:47:59] [I] === Performance summary ===
[10/03/2024-10:47:59] [I] Throughput: 130.298 qps
[10/03/2024-10:47:59] [I] Latency: min = 5.38672 ms, max = 13.3664 ms, mean = 7.60628 ms, \
median = 7.16092 ms, percentile(90%) = 10.2996 ms, percentile(99%) = 12.9675 ms
[10/03/2024-10:47:59] [I] Enqueue Time: min = 2.72876 ms, max = 15.0201 ms, \
mean = 7.63062 ms, median = 7.86694 ms, percentile(90%) = 10.1792 ms
[10/03/2024-10:47:59] [I] GPU Compute Time: min = 5.34595 ms, max = 13.3388 ms, \
mean = 7.58404 ms, median = 7.14139 ms, percentile(90%) = 10.2881 ms
[10/03/2024-10:47:59] [I] D2H Latency: min = 0.00390625 ms, max = 0.110596 ms, \
mean = 0.0100141 ms, median = 0.00439453 ms, percentile(90%) = 0.0254517 ms
[10/03/2024-10:47:59] [I] Total GPU Compute Time: 2.96536 s
"""

# openvino 2026.4 on a CPU; 2024 and before print ms whatever the size
OPENVINO_US = """\
[ INFO ] First inference took 5.15 ms
[ INFO ] Duration:         1000.05 ms
[ INFO ] Latency:
[ INFO ]    Median:        39.56 us
[ INFO ]    Average:       83.25 us
[ INFO ] Throughput:   11424.48 FPS
"""
OPENVINO_MS = """\
[ INFO ] Latency:
[ INFO ]    Median:        4.31 ms
[ INFO ]    Average:       4.40 ms
"""

# onnxruntime/test/perftest: as run by ARM's learning path on SME2, and its README of 2019
ONNXRUNTIME = """\
Session creation time cost: 0.217932 s
Average inference time cost total: 98.961997 ms
Min Latency: 0.0958204 s
P50 Latency: 0.0995086 s
P999 Latency: 0.101519 s
"""
ONNXRUNTIME_SMALL = "Min Latency: 5.1e-05 s\nP50 Latency: 5.62e-05 s\nP90 Latency: 6e-05 s\n"
ONNXRUNTIME_OLD = "Min Latency is 0.0559777sec\nP50 Latency is 0.0587108sec\n"

COMMANDS = {
    "trtexec": "trtexec",
    "benchmark_app": "benchmark_app",
    "onnxruntime": "onnxruntime_perf_test",
}

Board = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """A folder with a script and its files, on a machine that has the tool."""

    def running(
        tool: str, prints: str, *, status: int = 0, dtype: str = "fp32", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        tools, folder = tmp_path / "bin", tmp_path / "on the board"
        tools.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        (tmp_path / "prints").write_text(prints, encoding="utf-8")
        stand_in = tools / COMMANDS[tool]
        stand_in.write_text(
            f'#!/bin/sh\necho "$@" >> "{tmp_path}/called"\ncat "{tmp_path}/prints"\n'
            f'echo "$LC_ALL" > "{tmp_path}/language"\n'
            'for word; do case "$word" in --saveEngine=*) : > "${word#*=}";; esac; done\n'
            f"exit {status}\n",
            encoding="utf-8",
        )
        stand_in.chmod(0o755)
        for part, count in ROWS:
            (folder / onnx_name(part, count)).touch()
            os.utime(folder / onnx_name(part, count), (0, 0))
        (folder / "results.csv").write_text("part,tokens,latency_ms\n", encoding="utf-8")
        script = measure_script(ROWS, tool=tool, dtype=dtype, what="a model")
        (folder / "measure.sh").write_text(script, encoding="utf-8")
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(  # noqa: S603 (our own script)
            ["sh", str(folder / "measure.sh")],  # noqa: S607 (the shell there is)
            env={"PATH": path, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return running


def results(tmp_path: Path) -> tuple[Reading, ...]:
    text = (tmp_path / "on the board" / "results.csv").read_text(encoding="utf-8")
    return parse_readings(text, full=197).rows


def called(tmp_path: Path) -> list[str]:
    return (tmp_path / "called").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("tool", "prints", "latency_ns"),
    [
        ("trtexec", TENSORRT_10, 7_141_390),
        ("benchmark_app", OPENVINO_US, 39_560),
        ("benchmark_app", OPENVINO_MS, 4_310_000),
        ("onnxruntime", ONNXRUNTIME, 99_508_600),
        ("onnxruntime", ONNXRUNTIME_SMALL, 56_200),
        ("onnxruntime", ONNXRUNTIME_OLD, 58_710_800),
    ],
)
def test_the_median_of_each_file_becomes_a_row(
    board: Board, tmp_path: Path, tool: str, prints: str, latency_ns: int
) -> None:
    """From any folder, two passes in turn, the tool kept from printing a decimal comma."""
    ended = board(tool, prints, PASSES="2", LC_ALL="de_DE.UTF-8")
    assert ended.returncode == 0, ended.stderr
    assert results(tmp_path) == 2 * tuple(
        Reading(part, count, latency_ns) for part, count in ROWS
    )
    assert (tmp_path / "language").read_text(encoding="utf-8") == "C\n"
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 6


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "prints",
    ["", "usage: ...\n", "GPU Compute Time: ...\nMedian: 0.00 ms\nP50 Latency: 0 s\n"],
    ids=["silence", "other words", "zero"],
)
def test_no_latency_ends_the_script_and_makes_no_row(
    board: Board, tmp_path: Path, tool: str, prints: str
) -> None:
    ended = board(tool, prints)
    assert (ended.returncode, results(tmp_path)) == (1, ())
    assert ended.stderr == (
        "pass 1 of 3\nmeasure.sh: no latency above 0 found in block-64.onnx.log\n"
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_that_fails_ends_the_script_and_keeps_its_words(
    board: Board, tmp_path: Path, tool: str
) -> None:
    """Whatever it printed before it failed is no result."""
    ended = board(tool, TENSORRT_10 + OPENVINO_MS + ONNXRUNTIME, status=3)
    assert (ended.returncode, results(tmp_path)) == (1, ())
    assert ended.stderr == (
        "pass 1 of 3\nmeasure.sh: the tool failed on block-64.onnx; its words are in "
        "block-64.onnx.log\n"
    )
    log = (tmp_path / "on the board" / "block-64.onnx.log").read_text(encoding="utf-8")
    assert log.startswith(TENSORRT_10)


def test_an_engine_is_built_once_and_loaded_after(board: Board, tmp_path: Path) -> None:
    board("trtexec", TENSORRT_10, PASSES="2", dtype="fp16")
    options = "--stronglyTyped --useSpinWait"
    assert called(tmp_path) == [
        f"--onnx=block-64.onnx --saveEngine=block-64.onnx.engine {options}",
        f"--onnx=ends-197.onnx --saveEngine=ends-197.onnx.engine {options}",
        f"--loadEngine=block-64.onnx.engine {options}",
        f"--loadEngine=ends-197.onnx.engine {options}",
    ]


@pytest.mark.parametrize(
    ("tool", "dtype", "words"),
    [
        ("trtexec", "fp32",
         "--onnx=block-64.onnx --saveEngine=block-64.onnx.engine --useSpinWait"),
        ("benchmark_app", "fp32",
         "-m block-64.onnx -api sync -d CPU -hint latency -t 3 -infer_precision f32"),
        ("benchmark_app", "bf16",
         "-m block-64.onnx -api sync -d CPU -hint latency -t 3 -infer_precision bf16"),
        ("onnxruntime", "fp32", "-I -s -e cpu -m times -r 200 block-64.onnx"),
    ],
)  # fmt: skip
def test_the_tool_is_told_what_to_time(
    board: Board, tmp_path: Path, tool: str, dtype: str, words: str
) -> None:
    board(tool, TENSORRT_10 + OPENVINO_MS + ONNXRUNTIME, dtype=dtype)
    assert called(tmp_path)[0] == words


def test_options_may_be_replaced_or_taken_away(board: Board, tmp_path: Path) -> None:
    board("onnxruntime", ONNXRUNTIME, OPTIONS="-e cuda -r 9")
    board("onnxruntime", ONNXRUNTIME, OPTIONS="")
    assert called(tmp_path)[0] == "-I -s -e cuda -r 9 block-64.onnx"
    assert called(tmp_path)[-1] == "-I -s ends-197.onnx"


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_there_is_one_line_for_each_file(tool: str, dtype: str) -> None:
    script = measure_script(ROWS, tool=tool, dtype=dtype, what="a model at batch 1")
    assert "parts of a model at batch 1 with" in script
    assert [
        line.split() for line in script.splitlines() if line.startswith("    measure ")
    ] == [
        ["measure", "block", "64", "block-64.onnx"],
        ["measure", "ends", "197", "ends-197.onnx"],
    ]
