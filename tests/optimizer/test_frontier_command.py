from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from latmodel.catalogue import write_profile
from latmodel.cli.running import run
from latmodel.errors import LatmodelError
from optimizer.cli.optimize import optimize
from optimizer.errors import OptimizerError
from optimizer.reporting_tradeoffs import SCREEN, tradeoff_lines
from optimizer.trading import find_tradeoff
from tests.optimizer.devices import TINY, operator_profile, profile_of, staircase_profile
from tests.optimizer.test_tradeoff import MADE

Run = Callable[..., tuple[int, str, str]]

SMOOTH = profile_of(TINY, {1: 10_000, 101: 1_010_000}, warnings=("handle with care",))
"""A device where every token costs 10 us per block: hundreds of schedules are best for some."""


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run `optimize --frontier` in a folder with two profiles: status, stdout, stderr."""
    write_profile(tmp_path / "stairs.yaml", staircase_profile())
    write_profile(tmp_path / "smooth.yaml", SMOOTH)
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            run(optimize, (LatmodelError, OptimizerError), [*args, "--model", "test_vit"])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


def test_the_table_is_the_trade_off(command: Run) -> None:
    status, out, err = command("--frontier", "--device-profile", "stairs.yaml", "--all")
    found = find_tradeoff("test_vit", profile=staircase_profile())
    assert (status, err) == (0, "")
    assert out.splitlines() == tradeoff_lines(found, everything=True)
    assert len(out.splitlines()) == 4 + len(found.points)


def test_a_screenful_by_default_and_warnings_beside(command: Run) -> None:
    status, out, err = command("--frontier", "--device-profile", "smooth.yaml")
    found = find_tradeoff("test_vit", profile=SMOOTH)
    assert (status, err) == (0, "warning: handle with care\n")
    assert len(found.points) > 10 * SCREEN
    assert len(out.splitlines()) == 4 + len(found.thinned(SCREEN)) <= 24
    assert f"{len(found.points)} schedules, each proved optimal for some budget" in out


def test_the_lines_by_hand() -> None:
    assert tradeoff_lines(MADE, budget_ns=2_700_000) == [
        "test_vit, batch 1, fp32, on a sheet of paper",
        "unpruned     5.00 ms predicted",
        "frontier     5 schedules, each proved optimal for some budget",
        "budget       2.70 ms: 75.0% kept in 2.50 ms, marked below",
        "             one cut (POMT): 70.0% kept in 2.60 ms",
        "       latency  speed-up    kept  tokens",
        "      1.000 ms     5.00x   20.0%  2 x2 blocks",
        "      1.100 ms     4.55x   30.0%  4 x1, 2 x1 blocks",
        "      1.900 ms     2.63x   50.0%  5 x2 blocks",
        ">     2.500 ms     2.00x   75.0%  10 x1, 5 x1 blocks",
        "      5.000 ms     1.00x  100.0%  10 x2 blocks",
    ]
    assert tradeoff_lines(MADE, budget_ns=2_550_000)[4] == (
        "             one cut (POMT): cannot meet it"
    )


def test_a_budget_is_marked_even_where_it_is_thinned_out(command: Run) -> None:
    args = ("--frontier", "--device-profile", "smooth.yaml", "--budget", "71%")
    status, out, _ = command(*args)
    found = find_tradeoff("test_vit", profile=SMOOTH)
    chosen = found.at(found.dense_ns * 71 // 100)
    assert status == 0
    assert chosen is not None
    assert chosen not in found.thinned(SCREEN)
    (marked,) = (line for line in out.splitlines() if line.startswith(">"))
    assert f"{chosen.latency_ms:.3f} ms" in marked


def test_a_budget_that_nothing_meets_is_an_answer(command: Run) -> None:
    status, out, _ = command(
        "--frontier", "--device-profile", "stairs.yaml", "--budget", "10us"
    )
    assert status == 1
    assert "budget       0.01 ms: no schedule meets it; the fastest takes " in out


def test_json_is_complete(command: Run) -> None:
    args = ("--frontier", "--device-profile", "smooth.yaml", "--budget", "70%", "--json")
    status, out, _ = command(*args)
    found, values = find_tradeoff("test_vit", profile=SMOOTH), json.loads(out)
    budget_ns = found.dense_ns * 70 // 100
    chosen = found.at(budget_ns)
    assert status == 0
    assert chosen is not None
    assert values == found.to_dict() | {
        "profile": "smooth",
        "budget_ms": budget_ns / 1e6,
        "chosen": chosen.to_dict(),
    }


def test_constraints_bind_the_frontier(command: Run) -> None:
    _, out, _ = command(
        *("--frontier", "--device-profile", "stairs.yaml", "--json"),
        *("--multiple-of", "8", "--max-cuts", "1", "--no-lossless-last"),
    )
    constraints = {"multiple_of": 8, "max_cuts": 1, "lossless_last": False}
    found = find_tradeoff("test_vit", profile=staircase_profile(), **constraints)  # type: ignore[arg-type]
    assert json.loads(out)["points"] == [point.to_dict() for point in found.points]


def test_files_are_written_by_their_ending(command: Run, tmp_path: Path) -> None:
    args = ("--frontier", "--device-profile", "smooth.yaml")
    assert command(*args, "--out", "it.csv", "--plot", "it.svg")[0] == 0
    rows = list(csv.DictReader((tmp_path / "it.csv").read_text("utf-8").splitlines()))
    points = find_tradeoff("test_vit", profile=SMOOTH).points
    assert [row["tokens"] for row in rows] == [
        " ".join(map(str, point.schedule.tokens)) for point in points
    ]
    assert b"proved optimal" in (tmp_path / "it.svg").read_bytes()
    assert command(*args, "--out", "it.json")[0] == 0
    written = json.loads((tmp_path / "it.json").read_text(encoding="utf-8"))
    assert written == json.loads(command(*args, "--json")[1])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--all",), "--all needs --frontier"),
        (("--plot", "it.png"), "--plot needs --frontier"),
        (
            ("--frontier", "--verify"),
            "--verify is of one plan, and --frontier makes many: leave one out",
        ),
        (
            ("--frontier",),
            "--device-profile is missing; for example: optimize --frontier --device-profile "
            "jetson",
        ),
        (
            ("--frontier", "--device-profile", "smooth.yaml", "--out", "it.yaml"),
            "--out it.yaml: found the ending '.yaml', allowed for a frontier are .csv and "
            ".json",
        ),
    ],
)
def test_wrong_usage_is_told(command: Run, args: tuple[str, ...], message: str) -> None:
    status, out, err = command(*args)
    assert (status, out) == (2, "")
    assert err == f"optimize: {message} (see optimize --help)\n"


def test_a_picture_of_another_kind_is_refused_first(command: Run) -> None:
    status, _, err = command(
        "--frontier", "--device-profile", "smooth.yaml", "--plot", "it.pdf"
    )
    assert (status, err) == (
        2,
        "optimize: it.pdf: found the ending '.pdf', allowed are .png and .svg\n",
    )


def test_without_matplotlib_the_extra_is_named_first(
    command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, _, err = command("--frontier", "--device-profile", "none", "--plot", "it.png")
    assert (status, err) == (
        2,
        "optimize: --plot needs matplotlib, which this Python lacks: pip install "
        "'token-budget[plot]'\n",
    )


def test_a_dtype_that_was_not_asked_for_is_said(command: Run, tmp_path: Path) -> None:
    write_profile(tmp_path / "operators.yaml", operator_profile())
    _, out, err = command("--frontier", "--device-profile", "operators.yaml")
    assert out.startswith("test_vit, batch 1, fp16, on a made-up device\n")
    assert err.startswith("dtype fp16: profile 'operators' does not know fp32\n")
