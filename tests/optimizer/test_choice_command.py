from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from latmodel.catalogue import write_profile
from latmodel.cli.running import run
from latmodel.errors import FieldError, LatmodelError
from optimizer.accuracies import read_accuracies
from optimizer.budget import Budget
from optimizer.choosing import choose_batch, choose_model
from optimizer.cli.optimize import optimize
from optimizer.errors import OptimizerError
from optimizer.reporting_choices import choice_lines
from optimizer.saving import read_plan
from tests.optimizer.devices import operator_profile

Run = Callable[..., tuple[int, str, str]]

TINY, SMALL, BASE = "deit_tiny_patch16_224", "deit_small_patch16_224", "vit_base_patch16_224"
DEVICE = ("--device-profile", "operators.yaml")
PROFILE = operator_profile()
LIMIT = Budget.parse("1s")


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run `optimize` in a folder with a profile of operators: status, stdout, stderr."""
    write_profile(tmp_path / "operators.yaml", PROFILE)
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            run(optimize, (LatmodelError, OptimizerError), args)
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


def test_the_chosen_plan_and_every_candidate_are_told(command: Run) -> None:
    args = ("--models", f"{TINY},{SMALL},{BASE},resnet18", "--budget", "1s", *DEVICE)
    status, out, err = command(*args)
    found = choose_model((TINY, SMALL, BASE, "resnet18"), profile=PROFILE, budget=LIMIT)
    assert (status, found.chosen.name) == (0, SMALL)
    assert found.plan.schedule.cuts
    assert out.startswith(f"{found.chosen.name}, batch 1, fp16, on a made-up device\n")
    assert out.endswith("\n".join(choice_lines(found)) + "\n")
    assert err.startswith("dtype fp16: profile 'operators' does not know fp32\n")


def test_the_table_by_hand() -> None:
    """Marked is the chosen one; one over the budget has an exclamation mark."""
    found = choose_model(
        (TINY, BASE, "resnet18"), profile=PROFILE, budget_ms=10_000, accuracies={TINY: 72.2}
    )
    head, tiny, base, refused, reason, *_ = choice_lines(found)
    assert head.split() == [
        *("candidate", "unpruned", "predicted", "kept", "GMACs", "images/s", "top-1")
    ]
    plans = [candidate.plan for candidate in found.candidates]
    assert plans[0] is not None
    assert plans[1] is not None
    ms = f"{plans[0].dense_ms:.2f}"
    rate = f"{1000 / plans[0].dense_ms:.1f}"
    assert tiny.split() == [TINY, ms, "ms", ms, "ms", "100.0%", "1.25/1.25", rate, "72.20"]
    assert base.startswith(f"> {BASE}")
    assert base.split()[6:] == ["100.0%", "17.56/17.56", f"{1000 / plans[1].dense_ms:.1f}"]
    assert refused.split() == ["resnet18", "refused,", "see", "below"]
    assert reason.startswith("resnet18     resnet18 is a ResNet: only plain vision ")
    over = choose_model((TINY,), profile=PROFILE, budget_ms=0.01)
    assert "!ms" in choice_lines(over)[1]


def test_json_holds_the_plan_and_the_choice(command: Run) -> None:
    args = ("--models", f"{TINY},{SMALL}", "--budget", "1s", *DEVICE, "--json")
    status, out, _ = command(*args, "--least-kept", "0.9")
    found = choose_model((TINY, SMALL), profile=PROFILE, budget=LIMIT, least_kept=0.9)
    values = json.loads(out)
    assert status == 0
    assert values["choice"] == found.to_dict()
    assert values["choice"]["least_kept"] == 0.9
    assert values["tokens"] == list(found.plan.schedule.tokens)
    assert values["model"] == found.chosen.model


def test_the_chosen_plan_is_written(command: Run, tmp_path: Path) -> None:
    args = ("--models", f"{TINY},{SMALL}", "--budget", "1s", *DEVICE)
    assert command(*args, "--out", "plan.yaml")[0] == 0
    found = choose_model((TINY, SMALL), profile=PROFILE, budget=LIMIT)
    assert read_plan(tmp_path / "plan.yaml").schedule == found.plan.schedule


def test_batches_and_what_cannot_be_kept(command: Run) -> None:
    args = ("--batches", "1,2,4", "--model", TINY, *DEVICE, "--json")
    status, out, _ = command(*args, "--budget", "1s")
    found = choose_batch(TINY, (1, 2, 4), profile=PROFILE, budget_ms=1000)
    assert (status, json.loads(out)["choice"]) == (0, found.to_dict())
    dense = found.candidates[0].plan
    assert dense is not None
    limit = dense.dense_ms * 0.95
    status, out, _ = command(*args, "--budget", f"{limit:.4f}ms", "--no-lossless-last")
    assert json.loads(out)["choice"]["satisfied"] is False
    assert status == 1, "a decision is asked for"


def test_image_sizes_of_the_default_model(command: Run) -> None:
    args = ("--image-sizes", "160,224", "--budget", "1s", *DEVICE, "--json")
    status, out, err = command(*args)
    values = json.loads(out)
    assert status == 0
    assert values["choice"]["chosen"] == f"{SMALL} at 224 px"
    assert [c["image_size"] for c in values["choice"]["candidates"]] == [160, 224]
    assert "img_size" not in err


def test_other_options_reach_every_candidate(command: Run) -> None:
    args = ("--models", f"{TINY},{SMALL}", "--budget", "1s", *DEVICE, "--json")
    _, out, _ = command(*args, "--mode", "sum", "--multiple-of", "8", "--batch", "3")
    found = choose_model(
        (TINY, SMALL), profile=PROFILE, budget=LIMIT, mode="sum", multiple_of=8, batch=3
    )
    assert json.loads(out)["choice"] == found.to_dict()


def test_accuracies_are_shown(command: Run, tmp_path: Path) -> None:
    (tmp_path / "known.csv").write_text(f"model, top1\n{TINY},72.2\n", encoding="utf-8")
    args = ("--models", f"{TINY},{SMALL}", "--budget", "1s", *DEVICE)
    _, out, _ = command(*args, "--accuracies", "known.csv")
    assert "top-1" in out
    assert "72.20" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("--least-kept", "0.5"),
            "--least-kept needs --models, --image-sizes or --batches",
        ),
        (
            ("--accuracies", "x.csv"),
            "--accuracies needs --models, --image-sizes or --batches",
        ),
        (("--models", TINY, "--model", SMALL), "--model and --models: leave one out"),
        (("--batches", "1,2", "--batch", "1"), "--batch and --batches: leave one out"),
        (("--models", TINY, "--frontier", *DEVICE), "--frontier and --models: leave one out"),
        (("--models", TINY, "--schedule", "x"), "--schedule and --models: leave one out"),
        (
            ("--batches", "1,2", "--models", TINY),
            "--batches asks for the most images per second, which the smallest model and image "
            "always win: leave out --models",
        ),
        (
            ("--batches", "1,2", "--accuracies", "x.csv"),
            "--accuracies tell models apart: leave it out with --batches",
        ),
        (
            ("--image-sizes", "160", "--verify"),
            "--verify builds the model at its own image size: leave out --image-sizes",
        ),
        (
            ("--models", TINY, *DEVICE),
            "--budget is missing; for example: optimize --budget 20ms --device-profile jetson",
        ),
        (
            ("--models", f"{TINY},{TINY}"),
            f"Invalid value for '--models': '{TINY},{TINY}' is no list of names: write each "
            "once, as in a,b",
        ),
        (
            ("--batches", "1,0"),
            "Invalid value for '--batches': '1,0' is no list of numbers: write each once, as "
            "in 1,2",
        ),
    ],
)
def test_wrong_usage_is_told(command: Run, args: tuple[str, ...], message: str) -> None:
    assert command(*args) == (2, "", f"optimize: {message} (see optimize --help)\n")


def test_a_share_of_which_model_is_asked(command: Run) -> None:
    status, _, err = command("--models", TINY, "--budget", "60%", *DEVICE)
    assert (status, err) == (
        2,
        "optimize: budget is 60% of an unpruned latency, and each candidate has its own: give "
        "a latency, such as 20ms\n",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,top1\n", "found the header 'name, top1', allowed is 'model, top1'"),
        ("model,top1\na,1,2\n", "line 2: found 3 cells, allowed are 2"),
        ("model,top1\na,1\na,2\n", "line 3: 'a' stands twice"),
        ("model,top1\na,nan\n", "line 2, top1: found 'nan', allowed is a number from 0 to 100"),
        ("model,top1\na,x\n", "line 2, top1: found 'x', allowed is a number from 0 to 100"),
        ("model,top1\na,101\n", "line 2, top1: found '101', allowed is a number from 0 to 100"),
    ],
)
def test_strange_accuracies_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "known.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FieldError) as caught:
        read_accuracies(path)
    assert str(caught.value) == f"{path}: {message}"


def test_accuracies_are_read_by_model(tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    path.write_text("model, top1\r\n\r\na, 79.8\r\nb,0\r\n", encoding="utf-8")
    assert read_accuracies(path) == {"a": 79.8, "b": 0.0}
