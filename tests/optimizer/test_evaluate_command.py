"""`optimize --evaluate`: folders and checkpoints in, accuracy out; by one process and two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from latmodel.catalogue import write_profile
from latmodel.cli.running import run
from latmodel.errors import LatmodelError
from optimizer.cli.optimize import optimize
from optimizer.errors import OptimizerError
from tests.optimizer.devices import staircase_profile
from tests.optimizer.images.folders import pack
from tests.optimizer.pruning.tiny import randomised

Run = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).resolve().parents[2]

RANDOM = (
    "warning: the weights are random, so accuracy and agreement mean nothing: give a "
    "checkpoint or take the pretrained weights\n"
)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run `optimize` on a made-up device as the shell would: exit status, stdout, stderr."""
    profile = tmp_path / "made-up.yaml"
    write_profile(profile, staircase_profile())
    question = ("--device-profile", str(profile), "--model", "test_vit", "--budget")

    def call(*args: str | Path, budget: str | None = "16ms") -> tuple[int, str, str]:
        asked = (*question, budget) if budget is not None else ()
        options = ("--rounds", "2", "--device", "cpu")
        with pytest.raises(SystemExit) as caught:
            run(optimize, (LatmodelError, OptimizerError), [*asked, *options, *map(str, args)])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two noisy images of each of 6 classes, which is what a checkpoint here knows."""
    place = tmp_path_factory.mktemp("images") / "set"
    draw = np.random.default_rng(0)
    for label in range(6):
        (place / f"class{label}").mkdir(parents=True)
        for number in range(2):
            pixels = (
                draw.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(12, 0).repeat(12, 1)
            )
            Image.fromarray(pixels).save(place / f"class{label}" / f"{number}.png")
    return place


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "mine.pth"
    torch.save(randomised(timm.create_model("test_vit", num_classes=6)).state_dict(), path)
    return path


def test_a_plan_is_evaluated_with_a_checkpoint(
    command: Run, folder: Path, checkpoint: Path
) -> None:
    options = ("--evaluate", folder, "--checkpoint", checkpoint)
    status, out, err = command(*options, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)["evaluation"]
    assert (found["images"], found["count"], found["classes"]) == (str(folder), 12, 6)
    assert (found["weights"], found["random_weights"]) == ("weights of mine.pth", False)
    both = found["top1"]["cut"]["images"] - found["top1"]["dense"]["images"]
    assert both == found["top1_change"]["gained"] - found["top1_change"]["lost"]
    assert found["top1"]["dense"]["rate"] <= found["top5"]["dense"]["rate"]
    assert 0 <= found["agreement"]["rate"] < 1
    assert found["kl"] > 0
    assert found["latency"]["rounds"] >= 2
    assert found["warnings"] == []

    status, out, err = command(*options)
    assert (status, err) == (0, "")
    assert f"evaluated    12 images of {folder}; weights of mine.pth; fp32\n" in out
    assert out.splitlines()[-1].startswith("latency      ")


def test_a_written_schedule_is_evaluated_on_a_tar(
    command: Run, folder: Path, tmp_path: Path
) -> None:
    """With random weights, which is said; with as many images as asked for."""
    command("--out", tmp_path / "plan.yaml")
    tar = pack(folder)
    status, out, err = command(
        *("--schedule", tmp_path / "plan.yaml", "--evaluate", tar, "--images-limit", "6"),
        *("--workers", "1", "--json"),
        budget=None,
    )
    found = json.loads(out)["evaluation"]
    few = (
        f"{tar} has 6 classes and the model 1000: timm numbers them from 0 in the order of "
        "their names; where the model does not, give a class_map"
    )
    assert (status, err) == (0, f"{RANDOM}warning: {few}\n")
    assert found["warnings"] == [RANDOM.removeprefix("warning: ").strip(), few]
    assert (found["count"], found["random_weights"]) == (6, True)


def test_a_class_map_and_a_split(command: Run, folder: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"class{label}\n" for label in range(4)), encoding="utf-8")
    status, out, err = command(
        *("--evaluate", folder.parent, "--split", "set", "--class-map", names, "--json")
    )
    assert (status, err) == (0, RANDOM)
    assert json.loads(out)["evaluation"]["count"] == 8


def test_unlabelled_images_tell_agreement(command: Run, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (64, 64), (90, 20, 200)).save(tmp_path / "flat" / "a.png")
    status, out, _ = command("--evaluate", tmp_path / "flat")
    assert status == 0
    assert f"evaluated    1 image of {tmp_path / 'flat'}; random weights; fp32\n" in out
    assert "agreement" in out
    assert "top-1" not in out


def test_nothing_infeasible_is_evaluated(command: Run, folder: Path) -> None:
    status, out, err = command("--evaluate", folder, budget="1us")
    assert (status, err) == (1, "not evaluated: no schedule meets the budget\n")
    assert "evaluated" not in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("--evaluate", "none"),
            "images none: no such folder or .tar; give a folder of images",
        ),
        (("--split", "val"), "--split needs --images or --evaluate"),
        (("--class-map", "x.txt"), "--class-map needs --images or --evaluate"),
        (("--images-limit", "9"), "--images-limit needs --images or --evaluate"),
        (("--workers", "0"), "--workers needs --images or --evaluate"),
        (("--images-batch", "8"), "--images-batch needs --images or --evaluate"),
        (
            ("--checkpoint", "x.pth"),
            "--checkpoint needs --damage or --images or --evaluate or --picture",
        ),
        (("--evaluate", ".", "--class-map", "x.txt"), "--class-map x.txt: no such file"),
        (("--evaluate", ".", "--checkpoint", "x.pth"), "--checkpoint x.pth: no such file"),
        (
            ("--evaluate", ".", "--checkpoint", "x.pth", "--pretrained"),
            "--checkpoint and --pretrained exclude each other",
        ),
        (
            ("--evaluate", ".", "--frontier"),
            "--evaluate is of one plan, and --frontier makes many: leave one out",
        ),
        (
            ("--evaluate", ".", "--image-sizes", "96"),
            "--evaluate builds the model at its own image size: leave out --image-sizes",
        ),
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
    asked = ("--device-profile", "nowhere", "--budget", "9ms")
    status, out, err = command(*asked, *args, budget=None)
    assert (status, out) == (2, "")
    assert err.startswith(f"optimize: {said}")
    assert err.count("\n") == 1


def test_a_folder_without_an_image_ends_in_one_line(command: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status, out, err = command("--evaluate", tmp_path / "empty")
    assert (status, out) == (2, "")
    assert err.startswith(f"optimize: images {tmp_path / 'empty'}: holds no image; ")
    assert err.count("\n") == 1


def spread_over_two(*args: str | Path) -> str:
    """What both processes that torchrun starts print together."""
    done = subprocess.run(  # noqa: S603 (our own code)
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m", "optimizer", *map(str, args)),
        ],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_print_once_what_one_finds(
    command: Run, folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """All but latency, with a last batch that is short and one process that has fewer."""
    command("--out", tmp_path / "plan.yaml")
    options: tuple[Any, ...] = ("--schedule", tmp_path / "plan.yaml", "--evaluate", folder)
    options += ("--checkpoint", checkpoint, "--images-batch", "5", "--json")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _, out, _ = command(*options, budget=None)
    finally:
        torch.set_num_threads(threads)
    both = spread_over_two(
        *options, "--rounds", "2", "--device", "cpu", "--out", tmp_path / "again.yaml"
    )
    one, two = json.loads(out), json.loads(both)
    for values in (one, two):
        assert values["evaluation"].pop("latency")["threads"] == 1
    assert one == two
    assert (tmp_path / "again.yaml").read_bytes() == (tmp_path / "plan.yaml").read_bytes()
