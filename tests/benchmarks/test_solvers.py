"""The benchmark of solvers: its problems, the peers' answers, its runs and its tables."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from optimizer.checking import check
from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.exhaustive import exhaustive
from optimizer.solvers.milp import milp
from optimizer.solvers.pareto import pareto
from tests.optimizer.strategies import problems

Load = Callable[[str], Any]
ROOT = Path(__file__).resolve().parents[2]

# Nothing dropped takes 32 ns, (3, 2) 31, (2, 2) and (3, 1) 29, (2, 1) 28, (1, 1) 24.
PAPER = Problem(
    counts=np.array([1, 2, 3]),
    value=np.tile([1, 2, 3], (2, 1)),
    segment_ns=np.tile([10, 13, 15], (2, 1)),
    cut_ns=np.tile([2, 1, 0], (2, 1)),
    fixed_ns=2,
    budget_ns=31,
)


@pytest.fixture(scope="module")
def peers(benchmark_file: Load) -> Any:
    pytest.importorskip("ortools")
    return benchmark_file("solvers_peers")


@pytest.fixture(scope="module")
def suites(benchmark_file: Load) -> Any:
    return benchmark_file("solvers_problems")


@pytest.fixture(scope="module")
def running(benchmark_file: Load) -> Any:
    return benchmark_file("solvers_running")


@pytest.fixture(scope="module")
def tables(benchmark_file: Load) -> Any:
    return benchmark_file("solvers_table")


def _readings() -> Path:
    return Path(os.environ.get("LATMODEL_DATA", ROOT.parent / "shared" / "data"))


def test_cp_sat_equals_trying_everything(peers: Any) -> None:
    """Under every constraint: the same status, and the same value, or least latency."""

    @settings(max_examples=60, deadline=None)
    @given(problem=problems())
    def equals(problem: Problem) -> None:
        theirs, truth = peers.cp_sat(problem), exhaustive(problem)
        assert theirs.status is truth.status
        assert check(problem, theirs) == ()
        if truth.status is Status.OPTIMAL:
            assert theirs.value == truth.value
        else:
            assert theirs.latency_ns == truth.latency_ns

    equals()


def test_cp_sat_by_hand(peers: Any) -> None:
    assert peers.cp_sat(PAPER) == Solution(Status.OPTIMAL, (3, 2), 5, 31, 5)
    assert peers.cp_sat(PAPER.with_budget(23)) == Solution(Status.INFEASIBLE, (1, 1), 2, 24, 2)


def test_the_suite_equals_trying_everything(suites: Any) -> None:
    """Every kind of problem, at a size where all schedules can be tried."""
    cases = suites.suite("3x6")
    solved = 0
    for case in cases[::3]:
        problem = case.make()
        ours, truth = pareto(problem), exhaustive(problem)
        assert ours == truth, case
        solved += truth.status is Status.OPTIMAL
        if truth.status is Status.OPTIMAL and solved % 5 == 0:
            assert milp(problem).value == truth.value, case
    # Without the readings there are staircases alone, of which fewer can be met.
    assert solved * 24 > len(cases)


def test_the_suite_has_every_kind_and_no_problem_twice(suites: Any) -> None:
    if not (_readings() / "dense_curves").is_dir():
        pytest.skip("the readings are not on this machine; LATMODEL_DATA names them")
    cases = suites.suite("DeiT-S")
    found = {kind: sum(case.kind == kind for case in cases) for kind in suites.KINDS}
    # Two first blocks; three curves, as read or stretched, or six staircases; budgets.
    assert found == dict(
        zip(suites.KINDS, [2 * 6 * 7, 2 * 6 * 7 * 2, 84, 84, 24, 24, 24, 24], strict=True)
    )
    assert len({(case.kind, case.name) for case in cases}) == len(cases)
    problem = next(case for case in cases if case.name == "3090, from 3, cut 0, 0.4").make()
    assert (problem.depth, problem.full, problem.earliest_cut) == (12, 197, 3)
    # The twelve layers at 64 tokens, added by hand, in ns; the last block costs two thirds.
    assert problem.segment_ns[:, 63].tolist() == [727_376] * 11 + [484_917]
    assert problem.cut_ns.max() == 0


def test_without_readings_the_staircases_are_left(
    suites: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LATMODEL_DATA", str(tmp_path))
    assert {case.kind for case in suites.suite("3x6")} == set(suites.KINDS[2:4])
    assert capsys.readouterr().err == (
        f"skipped: measured curves, since {tmp_path / 'dense_curves'} is not there; "
        "set LATMODEL_DATA to the folder of readings\n"
    )


def test_an_unknown_model_is_one_line(suites: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        suites.suite("12x")
    assert ended.value.code == (
        "--model 12x: must be one of DeiT-S, ViT-B/384, ViT-L/384, DINOv2-g, "
        "or a size like 12x197"
    )


def test_a_run_has_a_process_of_its_own(running: Any) -> None:
    """Its peak is not this process's, which has loaded far more."""
    found = running.run("ours", PAPER, repeats=2)
    assert (found.solution, found.failure, found.points) == (pareto(PAPER), "", 0)
    assert 10 < found.peak_mb < 80
    assert found.wall_s > 0
    assert found.cpu_s > 0
    whole = running.run_frontier(PAPER)
    assert (whole.solution, whole.points) == (pareto(PAPER), 5)
    nothing = running.run_frontier(PAPER.with_budget(23))
    assert nothing.solution == pareto(PAPER.with_budget(23))


def test_a_run_that_dies_is_told(running: Any) -> None:
    found = running.run("no such solver", "no problem", limit_s=1)
    assert found.solution is None
    assert "returned non-zero exit status 1" in found.failure


def _row(
    tables: Any, running: Any, suites: Any, other: Solution | None, *, wall_s: float
) -> Any:
    case = suites.Case("DeiT-S", suites.KINDS[0], "by hand", lambda: PAPER)
    ours = running.Run(0.02, 0.01, 40.0, Solution(Status.OPTIMAL, (3, 2), 5, 31, 5))
    failure = "" if other else "CP-SAT gave no schedule: UNKNOWN"
    theirs = running.Run(wall_s, 2 * wall_s, 300.0, other, failure=failure)
    return tables.Row(case, ours, "CP-SAT", theirs)


def test_a_line_of_the_peers(tables: Any, running: Any, suites: Any) -> None:
    """One finished in 2 s, one has 5 of 5 and proved 6 in 4 s: ours took 10 ms each."""
    proved = Solution(Status.OPTIMAL, (2, 3), 5, 32, 5)
    stopped = Solution(Status.TIME_LIMIT, (3, 2), 5, 32, 6)
    rows = [
        _row(tables, running, suites, proved, wall_s=2.0),
        _row(tables, running, suites, stopped, wall_s=4.0),
        _row(tables, running, suites, None, wall_s=4.0),
    ]
    assert tables.differences(rows) == []
    lines = tables.peers_table(rows[:2], {"DeiT-S": 4.0}).splitlines()
    cells = [cell.strip() for cell in lines[-1].strip("|").split("|")]
    expected = ["2", "10.0", "> 4", "6.0", "1 of 2", "20.00", "300", "1 of 1", ">= 300", "200"]
    assert cells == ["DeiT-S", "all", "CP-SAT", *expected]
    lines = tables.peers_table(rows, {"DeiT-S": 4.0}).splitlines()
    assert "no schedule" in lines[-1]


@pytest.mark.parametrize(
    "other",
    [
        Solution(Status.OPTIMAL, (3, 1), 4, 29, 4),
        Solution(Status.TIME_LIMIT, (3, 1), 4, 29, 4),
        Solution(Status.TIME_LIMIT, (3, 3), 6, 32, 7),
        Solution(Status.INFEASIBLE, (1, 1), 2, 24, 2),
    ],
)
def test_another_answer_is_a_difference(
    tables: Any, running: Any, suites: Any, other: Solution
) -> None:
    (said,) = tables.differences([_row(tables, running, suites, other, wall_s=1.0)])
    assert said.startswith("DeiT-S, measured, cuts free, by hand: ours is Solution(")
    assert "CP-SAT's Solution(" in said


def test_the_command_from_end_to_end() -> None:
    """Ours, the frontier and every peer that is there, on a problem of three kinds."""
    kinds = ("staircase, cuts cost", "measured, cuts free", "at most 3 cuts")
    command = [sys.executable, "benchmarks/solvers.py", "--quick", "--each", "--model", "3x6"]
    done = subprocess.run(  # noqa: S603 (this very program)
        [*command, "--kind", *kinds],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "all checks hold" in done.stdout
    measured = (_readings() / "dense_curves").is_dir()
    solved = [line for line in done.stdout.splitlines() if ": ours: wall " in line]
    assert len(solved) == (3 if measured else 1)
    met = sum("OPTIMAL" in line for line in solved)
    # Without the readings there is one problem, which no schedule may meet.
    assert met > 0 or not measured
    assert done.stdout.count(": HiGHS: wall ") == met  # no other is worth their time
    assert "whole frontier of" in done.stdout
