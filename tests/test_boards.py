"""A board without Python, from the first count to the plan; docs/boards.md is what is typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import optimizer
from latmodel.cli import latmodel as latmodel_command
from latmodel.cli.running import run
from latmodel.importing import import_readings
from latmodel.readings import Reading, Readings, read_readings
from latmodel.workloads import find_workload
from optimizer.cli.optimize import optimize

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "boards.md").read_text(encoding="utf-8")
MODEL = "deit_small_patch16_224"
FULL = find_workload(MODEL).tokens


def commands() -> Iterator[list[str]]:
    """The words of every command of the page, in its order."""
    for fence in re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        for line in fence.replace("\\\n", " ").splitlines():
            yield shlex.split(line)


def device(part: str, count: int) -> int:
    """In ns: a block takes 0.4 ms, and 0.6 for every 64 tokens begun; an MLP half of it."""
    block = 400_000 + 600_000 * -(-count // 64)
    parts = {"block": block, "mlp": block // 2, "cut": 50_000 + 100 * count, "ends": 700_000}
    return parts.get(part) or 700_000 + 12 * block


def fill_in(results: Path) -> None:
    """What a person does between two calls: a latency into every empty cell."""
    rows = read_readings(results, full=FULL).rows
    filled = tuple(Reading(row.part, row.count, device(row.part, row.count)) for row in rows)
    results.write_text(Readings(filled).to_csv(), encoding="utf-8")


def said(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    """What a command of the page prints; it must succeed."""
    command = {"latmodel": latmodel_command, "optimize": optimize}[words[0]]
    with pytest.raises(SystemExit) as caught:
        run(command, args=words[1:])
    captured = capsys.readouterr()
    assert caught.value.code == 0, captured.err
    return captured.out


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_page_lead_from_a_model_to_a_plan(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that need neither a board nor minutes of writing files, in the page's order."""
    here = [w for w in commands() if w[0] in ("latmodel", "optimize") and "--onnx" not in w]
    first, following, importing, optimizing = here
    results = folder / "board" / "results.csv"
    assert "rows to measure; fill in their latency" in said(capsys, first)
    for _ in range(10):
        fill_in(results)
        answer = said(capsys, following)
        if answer.startswith("done"):
            break
    assert f"now run: latmodel import board/results.csv --model {MODEL} " in answer
    assert said(capsys, importing) == (
        f"board.yaml: {MODEL} at batch 1 on Jetson Orin Nano, 15 W: 34.30 ms unpruned; "
        "confidence medium\n"
    )
    assert "proved optimal" in said(capsys, optimizing)


def test_every_other_command_of_the_page_is_one_that_there_is() -> None:
    """A command with an option that is not there does not parse; copying is the reader's."""
    others = [words for words in commands() if "--onnx" in words]
    assert len(others) == 2
    plan = latmodel_command.commands["plan"]
    for words in others:
        assert plan.make_context("plan", words[2:]).params["tool"] == "trtexec"
    assert {words[0] for words in commands()} == {"latmodel", "optimize", "scp", "ssh"}


def test_the_plan_holds_on_the_board_that_was_measured(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is predicted from 24 counts is what the simulated board takes, and fits."""
    words = ["latmodel", "plan", "--model", MODEL, "--out", "."]
    said(capsys, words)
    while True:
        fill_in(folder / "results.csv")
        if said(capsys, [*words, "--from", "results.csv"]).startswith("done"):
            break
    readings = read_readings(folder / "results.csv", full=FULL)
    assert len(readings.measurements("block")) == 24
    profile = import_readings(readings, find_workload(MODEL), device="a formula", name="board")
    plan = optimizer.optimize(MODEL, budget_ms=25, profile=profile)
    assert plan.status is optimizer.Status.OPTIMAL
    assert 1 - 0.02 < _latency_ns(plan.schedule.tokens) / plan.predicted_ns < 1 + 0.02
    assert _latency_ns(plan.schedule.tokens) < 25.5e6
    assert plan.schedule.tokens[-1] < FULL


def _latency_ns(tokens: tuple[int, ...]) -> int:
    """The cut model on the board: attention sees what comes in, the MLP what the cut leaves."""
    total, before = device("ends", FULL), FULL
    for after in tokens:
        total += device("block", before) - device("mlp", before) + device("mlp", after)
        total += device("cut", after) if after < before else 0
        before = after
    return total
