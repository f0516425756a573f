from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latmodel.catalogue import write_profile
from latmodel.cli.running import run
from latmodel.errors import LatmodelError
from optimizer.budget import Budget
from optimizer.cli.optimize import optimize as optimize_command
from optimizer.errors import OptimizerError, ProblemError
from optimizer.fleet_planning import _in_common, plan_fleet
from optimizer.optimizing import optimize
from optimizer.solution import Status
from tests.optimizer.devices import TINY, profile_of, staircase_profile

STAIRS = replace(staircase_profile(), name="stairs")
SLOPE = replace(profile_of(TINY, {1: 60_000, 101: 3_000_000}), name="slope")
"""Two devices that like different counts: multiples of 32, and any."""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run `optimize` on both devices as the shell would: exit status, stdout, stderr."""
    for profile in (STAIRS, SLOPE):
        write_profile(tmp_path / f"{profile.name}.yaml", profile)
    names = ("stairs", "slope")
    fleet = [a for n in names for a in ("--device-profile", str(tmp_path / f"{n}.yaml"))]

    def call(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            run(
                optimize_command,
                (LatmodelError, OptimizerError),
                [*fleet, "--model", "test_vit", *(str(a) for a in args)],
            )
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


def test_one_schedule_meets_every_budget_and_keeps_no_more_than_each_alone() -> None:
    plan = plan_fleet("test_vit", profiles=(STAIRS, SLOPE), budget=Budget.parse("80%"))
    shared = plan.shared
    assert (shared.status, shared.gap) == (Status.OPTIMAL, 0)
    assert plan.within(shared) == (True, True)
    for device, profile in zip(plan.devices, (STAIRS, SLOPE), strict=True):
        alone = optimize("test_vit", profile=profile, budget=Budget.parse("80%"))
        assert device.budget_ns == alone.budget_ns
        assert shared.schedule.kept_fraction <= alone.kept_fraction
    used = [a / d.budget_ns for a, d in zip(shared.latency_ns, plan.devices, strict=True)]
    assert plan.worst is plan.devices[int(np.argmax(used))]


def test_each_devices_own_best_stands_beside_with_its_cost_elsewhere() -> None:
    plan = plan_fleet(
        "test_vit", profiles=(STAIRS, SLOPE), budget=Budget.parse("80%"), per_device=True
    )
    assert [each.made_for for each in plan.schedules] == [None, "stairs", "slope"]
    for place, profile in enumerate((STAIRS, SLOPE)):
        own = plan.schedules[1 + place]
        alone = optimize("test_vit", profile=profile, budget=Budget.parse("80%"))
        assert own.schedule == alone.schedule
        assert own.latency_ns[place] == alone.predicted_ns
        assert plan.within(own)[place]
    table = SLOPE.table(TINY)
    assert plan.schedules[1].latency_ns[1] == table.latency_ns(
        plan.schedules[1].schedule.tokens
    )


def test_models_within_every_budget_are_left_alone() -> None:
    plan = plan_fleet("test_vit", profiles=(STAIRS, SLOPE), budget=Budget.parse("100%"))
    assert plan.shared.schedule.cuts == ()


def test_counts_that_not_every_table_has_are_left_out_and_said() -> None:
    whole = STAIRS.table(TINY)
    tables, said = _in_common([whole, whole.only(np.array([1, 50, 101]))])
    assert [table.counts.tolist() for table in tables] == [[1, 50, 101]] * 2
    assert said == ("98 of 101 counts are left out, which not every profile has",)
    assert _in_common([whole, whole])[1] == ()


def test_a_fleet_has_two_or_more() -> None:
    with pytest.raises(ProblemError) as caught:
        plan_fleet("test_vit", profiles=(STAIRS,), budget=Budget.parse("80%"))
    assert str(caught.value) == "1 profile: a fleet has two or more"


def test_the_command_names_the_worst_device(command: Run) -> None:
    status, out, _ = command("--budget", "80%")
    plan = plan_fleet("test_vit", profiles=(STAIRS, SLOPE), budget=Budget.parse("80%"))
    assert status == 0
    assert "one schedule for 2 devices\n" in out
    assert "status       proved optimal\n" in out
    assert f"The worst device is {plan.worst.profile}: " in out
    assert "best for" not in out


def test_the_comparison_marks_what_is_over(command: Run) -> None:
    status, out, _ = command("--budget", "80%", "--per-device")
    assert status == 0
    assert "best for" in out
    assert out.endswith("! is over that device's budget.\n")


def test_the_json_is_complete_and_written(command: Run, tmp_path: Path) -> None:
    target = tmp_path / "fleet.json"
    options = ("--budget", "80%", "--per-device", "--json", "--max-cuts", "1")
    status, out, _ = command(*options, "--out", target)
    values = json.loads(out)
    assert status == 0
    assert json.loads(target.read_text()) == values
    assert [device["profile"] for device in values["devices"]] == ["stairs", "slope"]
    assert len(values["schedules"]) == 3
    assert all(len(each["predicted_ms"]) == 2 for each in values["schedules"])
    assert len(set(values["schedules"][0]["tokens"][:-1])) <= 2


def test_a_fleet_that_cannot_is_an_answer_with_status_1(command: Run) -> None:
    status, out, _ = command("--budget", "1us")
    assert status == 1
    assert "infeasible: no schedule meets the budget" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--budget", "9ms", "--frontier"), "--frontier is of one device: give one"),
        (("--budget", "9ms", "--verify"), "--verify is of one device: give one"),
        (("--budget", "9ms", "--evaluate", "."), "--evaluate is of one device: give one"),
        (("--budget", "9ms", "--confidence", "95%"), "--confidence is of one device: give one"),
        ((), "--budget is missing; for example: optimize --budget 80% --device-profile t4"),
        (("--budget", "9ms", "--out", "x.yaml"), "allowed for a fleet is .json"),
    ],
)
def test_what_a_fleet_cannot_do_is_refused(
    command: Run, options: tuple[str, ...], said: str
) -> None:
    status, out, err = command(*options)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_comparison_needs_several(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(
            optimize_command,
            (LatmodelError, OptimizerError),
            ["--budget", "9ms", "--device-profile", "t4", "--per-device"],
        )
    assert caught.value.code == 2
    assert "--per-device needs --device-profile twice or more" in capsys.readouterr().err
