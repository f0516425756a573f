from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from latmodel.catalogue import write_profile
from latmodel.cli.running import run
from latmodel.errors import LatmodelError
from optimizer.cli.optimize import optimize
from optimizer.errors import OptimizerError
from optimizer.saving import read_plan
from tests.optimizer.devices import operator_profile, staircase_profile

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `optimize` as the shell would: exit status, stdout, stderr."""

    def call(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            run(optimize, (LatmodelError, OptimizerError), [str(a) for a in args])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "made-up.yaml"
    write_profile(path, staircase_profile())
    return path


def test_a_budget_gives_a_schedule(command: Run, profile: Path) -> None:
    status, out, _ = command(
        "--budget", "20ms", "--device-profile", profile, "--model", "test_vit"
    )
    assert status == 0
    for part in ("proved optimal", "24.50 ms", "20.00 ms", "a made-up device", "a formula"):
        assert part in out


def test_the_lossless_last_cut_is_taken_said_and_switched_off(
    command: Run, profile: Path, tmp_path: Path
) -> None:
    options = ("--budget", "23.1ms", "--device-profile", profile, "--model", "test_vit")
    status, out, _ = command(*options, "--out", tmp_path / "plan.yaml")
    assert status == 0
    assert "tokens       101 x5, 1 x1 blocks\n" in out
    assert "kept         100.0% of all tokens over all blocks\n" in out
    assert "keeps what the head reads: lossless, and counted as keeping all\n" in out
    assert read_plan(tmp_path / "plan.yaml").schedule.lossless_last
    status, out, _ = command(*options, "--no-lossless-last")
    assert status == 0
    assert "lossless" not in out
    command("--budget", "1s", *options[2:], "--lossless-last", "--out", tmp_path / "plan.yaml")
    assert read_plan(tmp_path / "plan.yaml").schedule.lossless_last


def test_proportional_attention_is_planned(command: Run, profile: Path, tmp_path: Path) -> None:
    options = ("--budget", "20ms", "--device-profile", profile, "--model", "test_vit")
    out = ("--proportional", "--out", tmp_path / "plan.yaml")
    assert command(*options, *out)[0] == 0
    assert read_plan(tmp_path / "plan.yaml").proportional


def test_a_mode_and_a_dtype_that_was_not_asked_for_are_said(
    command: Run, tmp_path: Path
) -> None:
    path = tmp_path / "operators.yaml"
    write_profile(path, operator_profile())
    options = ("--budget", "80%", "--device-profile", path, "--model", "test_vit")
    status, out, err = command(*options, "--mode", "graph")
    assert status == 0
    assert out.startswith("test_vit, batch 1, fp16, on a made-up device\n")
    assert "operator model (graph: " in out
    assert err.startswith("dtype fp16: profile 'operators' does not know fp32\n")
    assert "does not know" not in command(*options, "--dtype", "fp16")[2]


def test_a_mode_cannot_change_what_a_schedule_holds(command: Run) -> None:
    status, out, err = command("--schedule", "x.yaml", "--mode", "sum")
    assert (status, out) == (2, "")
    assert "--mode cannot change what --schedule holds; leave one out" in err


def test_a_loose_budget_says_so(command: Run, profile: Path) -> None:
    status, out, _ = command(
        "--budget", "1s", "--device-profile", profile, "--model", "test_vit"
    )
    assert status == 0
    assert "The unpruned model already meets the budget: every token stays." in out
    assert "The tightest budget that could be met is" in out


def test_a_loose_budget_and_a_last_cut_all_the_same(command: Run, profile: Path) -> None:
    """Asked for, so it is made; and then not every token stays."""
    options = ("--device-profile", profile, "--model", "test_vit", "--lossless-last")
    status, out, _ = command("--budget", "1s", *options)
    assert status == 0
    assert "The unpruned model already meets the budget.\n" in out
    assert "every token stays" not in out


def test_infeasible_is_an_answer_with_status_1(command: Run, profile: Path) -> None:
    status, out, _ = command(
        "--budget", "1us", "--device-profile", profile, "--model", "test_vit"
    )
    assert status == 1
    assert "infeasible: no schedule meets the budget" in out
    assert "fastest" in out


def test_nothing_infeasible_is_verified(command: Run, profile: Path) -> None:
    status, out, err = command(
        *("--budget", "1us", "--device-profile", profile, "--model", "test_vit", "--verify")
    )
    assert (status, err) == (1, "not verified: no schedule meets the budget\n")
    assert "rounds" not in out


def test_json_is_one_object(command: Run, profile: Path) -> None:
    status, out, _ = command(
        "--budget", "80%", "--device-profile", profile, "--model", "test_vit", "--json"
    )
    values = json.loads(out)
    assert status == 0
    assert values["status"] == "proved optimal"
    assert values["predicted_ms"] <= values["budget_ms"]
    assert len(values["tokens"]) == 6


def test_a_written_schedule_runs_again(command: Run, profile: Path, tmp_path: Path) -> None:
    """Solve and write; then read, cut, run and compare the counts."""
    out_file = tmp_path / "plan.yaml"
    command(
        *("--budget", "20ms", "--device-profile", profile, "--model", "test_vit"),
        *("--out", out_file),
    )
    plan = read_plan(out_file)
    status, out, _ = command(
        "--schedule", out_file, "--verify", "--rounds", "2", "--json", "--device", "cpu"
    )
    values = json.loads(out)
    assert status == 0
    assert values["verification"]["executed"] == list(plan.schedule.tokens)
    assert values["verification"]["measured_ms"] > 0


def test_verify_prints_predicted_against_measured(command: Run, profile: Path) -> None:
    status, out, _ = command(
        *("--budget", "20ms", "--device-profile", profile, "--model", "test_vit"),
        *("--verify", "--rounds", "2", "--device", "cpu"),
    )
    assert status == 0
    for part in ("executed", "as planned", "measured", "middle half", "error", "speed-up"):
        assert part in out


@pytest.mark.parametrize("budget", ["20", "-3ms", "0ms", "20lightyears", "", "nanms"])
def test_a_budget_that_is_none(command: Run, profile: Path, budget: str) -> None:
    status, out, err = command("--budget", budget, "--device-profile", profile)
    assert (status, out) == (2, "")
    assert err.startswith(f"optimize: budget {budget!r}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            "deit_smal_patch16_224",
            "has no model 'deit_smal_patch16_224'; did you mean deit_small",
        ),
        (
            "swin_tiny_patch4_window7_224",
            "swin_tiny_patch4_window7_224 is a SwinTransformer: only plain vision transformers",
        ),
    ],
)
def test_a_model_that_cannot_be_cut(command: Run, profile: Path, model: str, said: str) -> None:
    status, out, err = command("--budget", "9ms", "--device-profile", profile, "--model", model)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_profile_that_is_not_there(command: Run) -> None:
    status, out, err = command("--budget", "20ms", "--device-profile", "jetsun.yaml")
    assert (status, out) == (2, "")
    assert err.startswith(
        "optimize: jetsun.yaml: no such file and no shipped profile of that name; shipped are "
        "jetson"
    )
    assert err.count("\n") == 1


def test_a_profile_that_is_malformed(command: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("format: 1\ndevice: no\n")
    status, out, err = command("--budget", "20ms", "--device-profile", path)
    assert (status, out) == (2, "")
    assert err == (
        f"optimize: {path}: device: found a yes/no value False, allowed is text that is not "
        "empty\n"
    )


def test_a_profile_that_knows_no_such_batch(command: Run, profile: Path) -> None:
    status, out, err = command(
        *("--budget", "20ms", "--device-profile", profile, "--model", "test_vit"),
        *("--batch", "8"),
    )
    assert (status, out) == (2, "")
    assert "was measured for test_vit at batch 1 in fp32" in err
    assert err.count("\n") == 1


def test_nothing_is_half_written(command: Run, profile: Path, tmp_path: Path) -> None:
    """A run that ends in an error leaves no file, whole or temporary."""
    before = sorted(tmp_path.iterdir())
    out_file = tmp_path / "plan.yaml"
    command(
        *("--budget", "20", "--device-profile", profile, "--model", "test_vit"),
        *("--out", out_file),
    )
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("--budget", "20ms"),
            "--device-profile is missing; for example: optimize --budget 20ms",
        ),
        (("--device-profile", "jetson"), "--budget is missing; for example: optimize"),
        (("--batch", "0"), "Invalid value for '--batch'"),
        (("--frobnicate",), "No such option"),
        (
            ("--schedule", "x.yaml", "--budget", "20ms"),
            "--budget cannot change what --schedule holds; leave one out",
        ),
    ],
)
def test_wrong_usage_ends_in_one_line(command: Run, args: tuple[str, ...], said: str) -> None:
    status, out, err = command(*args)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_help_shows_an_example(command: Run) -> None:
    status, out, _ = command("--help")
    assert status == 0
    assert "optimize --budget 20ms --device-profile jetson.yaml" in out


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("--cut-blocks", "3,x", "'3,x' is no list of blocks: write 3,6,9"),
        ("--pin", "3:120", "'3:120' is no pin: write block=count, such as 3=120"),
        ("--least-rate", "0%", "'0%' is no share: write 0.5 or 50%"),
        ("--least-rate", "nan", "'nan' is no share: write 0.5 or 50%"),
    ],
)
def test_constraints_that_cannot_be_read(
    command: Run, option: str, value: str, error: str
) -> None:
    status, out, err = command("--budget", "90%", "--device-profile", "jetson", option, value)
    assert (status, out) == (2, "")
    assert error in err


def test_constraints_reach_the_solver(command: Run) -> None:
    options = ("--cut-blocks", "4,7", "--pin", "7=100", "--largest-drop", "60", "--json")
    status, out, _ = command(
        *("--budget", "90%", "--batch", "8", "--device-profile", "jetson"), *options
    )
    tokens = json.loads(out)["tokens"]
    assert status == 0
    assert (tokens[3], tokens[7]) == (197, 100)
    assert max(a - b for a, b in pairwise(tokens[:-1])) <= 60
