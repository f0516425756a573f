"""Budgets kept with a probability, from a profile to a plan."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from latmodel.catalogue import read_profile
from latmodel.cli.running import run
from latmodel.errors import FieldError, LatmodelError
from latmodel.workloads import find_workload
from optimizer import optimize
from optimizer.cli.optimize import optimize as command
from optimizer.errors import OptimizerError, ProblemError, ScheduleError
from optimizer.plan import Plan
from optimizer.saving import read_plan, write_plan
from optimizer.solution import Status

MODEL, BUDGET_MS = "deit_small_patch16_224", 15.0


def plan(confidence: float | None, budget_ms: float = BUDGET_MS) -> Plan:
    return optimize(MODEL, budget_ms=budget_ms, profile="t4", batch=8, confidence=confidence)


def test_more_confidence_keeps_fewer_tokens() -> None:
    """And an even chance is the plain budget, where all errors are shared."""
    kept = [plan(c).kept_fraction for c in (None, 0.5, 0.7, 0.9, 0.95)]
    assert kept[0] == kept[1]
    assert all(b < a for a, b in pairwise(kept[1:]))


def test_draws_of_the_profiles_errors_meet_the_budget() -> None:
    """At least as many as was asked; of the plain plan about half."""
    table = read_profile("t4").table(find_workload(MODEL, batch=8))
    normal = np.random.default_rng(0).standard_normal(20_000)
    shares = []
    for found in (plan(None), plan(0.9)):
        error = table.relative_error_of(found.schedule.tokens)
        shares.append(float(np.mean(found.predicted_ns * np.exp(error * normal) <= 15e6)))
    assert 0.45 < shares[0] < 0.7
    assert shares[1] >= 0.9


def test_what_it_costs_is_told() -> None:
    found = plan(0.9)
    assert found.upper_ns is not None
    assert found.predicted_ns < found.upper_ns <= BUDGET_MS * 1e6
    assert found.lost == sum(plan(None).schedule.worth) - sum(found.schedule.worth) > 0


def test_a_dense_model_that_is_only_expected_to_fit_is_cut() -> None:
    dense_ms = plan(None, 1000).dense_ms
    assert plan(None, dense_ms).kept_fraction == 1
    assert plan(None, dense_ms).schedule.cuts == ()
    assert plan(0.95, dense_ms).schedule.cuts
    assert plan(0.95, 1000).schedule.cuts == ()


def test_an_unlikely_budget_is_infeasible() -> None:
    """Though the schedule is expected to be within it."""
    fastest_ms = plan(None).fastest_ms
    found = plan(0.99, fastest_ms * 1.01)
    assert found.status is Status.INFEASIBLE
    assert found.predicted_ms < found.budget_ms < (found.upper_ns or 0) / 1e6


def test_plans_are_read_as_they_were_written(tmp_path: Path) -> None:
    for name, found in (("a.yaml", plan(0.9)), ("b.json", plan(None))):
        write_plan(tmp_path / name, found)
        assert read_plan(tmp_path / name) == replace(
            found, relative_error=round(found.relative_error, 6)
        )


def test_contradictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="confidence is 1"):
        plan(1)
    with pytest.raises(ScheduleError) as caught:
        replace(plan(0.9), upper_ns=None)
    assert str(caught.value) == "confidence and upper_ns go together: give both or none"
    path = tmp_path / "plan.yaml"
    write_plan(path, plan(0.9))
    path.write_text(path.read_text().replace("confidence: 0.9", "confidence: 1.0"))
    with pytest.raises(FieldError, match="confidence"):
        read_plan(path)


def test_the_command_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--budget", "15ms", "--batch", "8", "--device-profile", "t4"]
    with pytest.raises(SystemExit):
        run(command, (LatmodelError, OptimizerError), [*options, "--confidence", "90%"])
    (line,) = (
        line for line in capsys.readouterr().out.splitlines() if line.startswith("confidence")
    )
    assert line.startswith("confidence   0.9 that it stays below ")
    assert line.endswith(" of all tokens")
    with pytest.raises(SystemExit):
        run(
            command, (LatmodelError, OptimizerError), [*options, "--confidence", ".9", "--json"]
        )
    assert json.loads(capsys.readouterr().out)["confidence"] == 0.9
