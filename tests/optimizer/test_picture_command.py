"""`optimize --picture`: from the shell to the pixels."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image

from latmodel.catalogue import write_profile
from latmodel.cli.running import run
from latmodel.errors import LatmodelError
from optimizer.cli.optimize import optimize
from optimizer.errors import OptimizerError
from optimizer.pruning.picturing import made_up_photograph
from tests.optimizer.devices import staircase_profile

Run = Callable[..., tuple[int, str, str]]

RANDOM = (
    "warning: the weights are random, so the patches kept mean nothing: give a checkpoint or "
    "take the pretrained weights\n"
)
MADE_UP = "no image was given: a made-up landscape is shown\n"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run `optimize` on a made-up device as the shell would: exit status, stdout, stderr."""
    profile = tmp_path / "made-up.yaml"
    write_profile(profile, staircase_profile())
    question = ("--device-profile", str(profile), "--model", "test_vit", "--budget")

    def call(*args: str | Path, budget: str | None = "20ms") -> tuple[int, str, str]:
        asked = (*question, budget) if budget is not None else ()
        with pytest.raises(SystemExit) as caught:
            run(optimize, (LatmodelError, OptimizerError), [*asked, *map(str, args)])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    made_up_photograph(200, 160).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def test_a_plan_is_pictured_over_a_photograph(
    command: Run, tmp_path: Path, photograph: Path, checkpoint: Path
) -> None:
    """The counts pictured are those planned, one averaged token and the prefix left out."""
    target = tmp_path / "kept.png"
    options = ("--picture", target, "--image", photograph, "--checkpoint", checkpoint)
    status, out, err = command(*options, "--json")
    assert (status, err) == (0, "")
    values = json.loads(out)
    tokens, seen = values["tokens"], values["picture"]
    cuts = [block for block in range(5) if tokens[block] < (101, *tokens)[block]]
    assert {int(block): len(row) for block, row in seen["kept"].items()} == {
        block: tokens[block] - 2 for block in cuts
    }
    assert cuts
    assert seen["grid"] == [10, 10]
    assert (seen["file"], seen["image"]) == (str(target), "photo.jpg")
    assert seen["weights"] == "weights of mine.pth"
    with Image.open(target) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1800

    status, out, err = command(*options)
    assert status == 0
    said = f"{len(cuts)} cut{'s' if len(cuts) > 1 else ''}; photo.jpg; weights of mine.pth"
    assert f"picture      {target}: {said}\n" in out
    assert "random" not in err


def test_a_written_schedule_is_pictured(command: Run, tmp_path: Path) -> None:
    """Without image and weights, which is said; the same weights each time."""
    command("--out", tmp_path / "plan.yaml")
    kept = []
    for seed in range(2):
        torch.manual_seed(seed)
        status, out, err = command(
            *("--schedule", tmp_path / "plan.yaml", "--picture", tmp_path / "it.svg", "--json"),
            budget=None,
        )
        assert (status, err) == (0, MADE_UP + RANDOM)
        kept.append(json.loads(out)["picture"]["kept"])
    assert kept[0] == kept[1]
    svg = (tmp_path / "it.svg").read_text()
    for said in (
        "test_vit: patches that remain",
        "made-up landscape; random weights; score pomt",
    ):
        assert said in svg
    for block, row in kept[0].items():
        assert f"block {block}: {len(row)} of 100 patches" in svg


def test_random_scores_need_no_weights(command: Run, tmp_path: Path, photograph: Path) -> None:
    status, _, err = command(
        *("--picture", tmp_path / "it.png", "--image", photograph, "--score", "random")
    )
    assert (status, err) == (0, "")


def test_a_classifier_that_does_not_fit_is_said(
    command: Run, tmp_path: Path, photograph: Path
) -> None:
    path = tmp_path / "fine-tuned.pth"
    torch.save(timm.create_model("test_vit", num_classes=7).state_dict(), path)
    status, _, err = command(
        *("--picture", tmp_path / "it.png", "--image", photograph, "--checkpoint", path)
    )
    assert (status, err) == (
        0,
        f"the classifier in {path} does not fit and was left out (head.weight, head.bias): the "
        "patches kept do not depend on it\n",
    )


def test_a_plan_that_cuts_nothing_is_the_image_alone(command: Run, tmp_path: Path) -> None:
    target = tmp_path / "it.png"
    status, out, _ = command("--no-lossless-last", "--picture", target, budget="1s")
    assert status == 0
    assert f"picture      {target}: no cuts; made-up landscape; random weights\n" in out
    assert target.is_file()


def test_nothing_infeasible_is_pictured(command: Run, tmp_path: Path) -> None:
    target = tmp_path / "it.png"
    status, out, err = command("--picture", target, budget="1us")
    assert (status, err) == (1, "not pictured: no schedule meets the budget\n")
    assert "picture" not in out
    assert not target.exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--image", "x.jpg"), "--image is for --picture: say where that is to go"),
        (
            ("--pretrained",),
            "--pretrained needs --damage or --images or --evaluate or --picture",
        ),
        (
            ("--picture", "it.png", "--checkpoint", "x.pth", "--pretrained"),
            "--checkpoint and --pretrained exclude each other",
        ),
        (("--picture", "it.png", "--image", "x.jpg"), "--image x.jpg: no such file"),
        (("--picture", "it.png", "--checkpoint", "x.pth"), "--checkpoint x.pth: no such file"),
        (("--picture", "it.pdf"), "it.pdf: found the ending '.pdf', allowed are .png and .svg"),
        (("--picture", "none/it.png"), "none/it.png: cannot write: there is no folder none"),
    ],
)
def test_wrong_usage_ends_in_one_line_before_anything_is_done(
    command: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    args: tuple[str, ...],
    said: str,
) -> None:
    """Even before a profile is read that is not there."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    status, out, err = command(
        "--device-profile", "nowhere", "--budget", "9ms", *args, budget=None
    )
    assert (status, out) == (2, "")
    assert err.startswith(f"optimize: {said}")
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("option", ["--image", "--checkpoint"])
def test_a_bad_file_ends_in_one_line_and_leaves_nothing(
    command: Run, tmp_path: Path, option: str
) -> None:
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"neither an image nor weights")
    before = sorted(tmp_path.iterdir())
    status, out, err = command(
        "--picture", tmp_path / "it.png", option, bad, "--out", tmp_path / "plan.yaml"
    )
    assert (status, out) == (2, "")
    assert err.startswith(f"optimize: {bad}: no")
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_without_matplotlib_the_extra_is_named(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, out, err = command("--picture", tmp_path / "it.png")
    assert (status, out, err) == (
        2,
        "",
        "optimize: a picture needs matplotlib, which this Python lacks: pip install "
        "'token-budget[plot]'\n",
    )


def test_pretrained_weights_that_cannot_be_had(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network and a copy here."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    status, out, err = command("--picture", tmp_path / "it.png", "--pretrained")
    assert (status, out) == (2, "")
    assert err.startswith("optimize: the pretrained weights of test_vit could not be had (")
    assert err.endswith("): connect to the network, or give a checkpoint\n")
    assert err.count("\n") == 1
