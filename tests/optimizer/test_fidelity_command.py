"""`optimize --objective fidelity`: images and weights in, the schedule of least damage out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
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
from optimizer.fidelity.damage import DamageTable
from optimizer.fidelity.measuring import measure_damage
from optimizer.fidelity.saving import read_damage, write_damage
from optimizer.images.loading import load_images
from optimizer.pruning.weighted import weighted_model
from optimizer.saving import read_plan
from tests.optimizer.devices import staircase_profile
from tests.optimizer.pruning.tiny import randomised

Run = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Models this small only wait for one another on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run `optimize` on a made-up device as the shell would: exit status, stdout, stderr."""
    profile = tmp_path / "made-up.yaml"
    write_profile(profile, staircase_profile())
    question = ("--device-profile", str(profile), "--model", "test_vit", "--budget", "16ms")

    def call(*args: str | Path, objective: str = "fidelity") -> tuple[int, str, str]:
        options = (*question, "--device", "cpu", "--objective", objective)
        with pytest.raises(SystemExit) as caught:
            run(optimize, (LatmodelError, OptimizerError), [*options, *map(str, args)])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six noisy images without labels."""
    place = tmp_path_factory.mktemp("images") / "set"
    place.mkdir()
    draw = np.random.default_rng(0)
    for number in range(6):
        pixels = draw.integers(0, 256, (10, 10, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return place


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "mine.pth"
    torch.save(randomised(timm.create_model("test_vit")).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def measured(folder: Path, checkpoint: Path) -> DamageTable:
    """What `--images` and `--checkpoint` measure with these."""
    model = weighted_model("test_vit", checkpoint=checkpoint).model
    return measure_damage(model, load_images(folder, model))


def test_images_and_weights_give_a_schedule_of_least_damage(
    command: Run, folder: Path, checkpoint: Path, tmp_path: Path, measured: DamageTable
) -> None:
    """The table is measured, used and written; read again, it gives the first schedule."""
    table, out = tmp_path / "damage.yaml", tmp_path / "plan.yaml"
    weights = ("--images", folder, "--checkpoint", checkpoint)
    status, text, err = command(*weights, "--damage", table, "--out", out, "--json")
    assert (status, err) == (0, "")
    found = json.loads(text)
    assert found["objective"] == "fidelity"
    assert found["earliest_cut"] == 0
    assert set(found["fidelity"]) == {
        "divergence", "images", "predicted", "measured", "measured_error", "agreement",
    }  # fmt: skip
    rounds = found["damage"]["rounds"]
    assert found["fidelity"]["measured"] == min(one["measured"] for one in rounds)
    assert found["tokens"] in [one["tokens"] for one in rounds]
    assert read_damage(table) == measured
    assert not table.with_name("damage.yaml.partial").exists()
    plan = read_plan(out)
    assert plan.fidelity is not None
    assert plan.fidelity.measured == found["fidelity"]["measured"]

    status, text, err = command("--damage", table, "--json")
    assert (status, err) == (0, "")
    again = json.loads(text)
    assert again["tokens"] == rounds[0]["tokens"]
    assert again["fidelity"]["predicted"] == rounds[0]["predicted"]
    assert "measured" not in again["fidelity"]
    assert again["damage"]["rounds"] == []


def test_a_table_of_the_same_weights_and_images_is_not_measured_again(
    command: Run, folder: Path, checkpoint: Path, tmp_path: Path, measured: DamageTable
) -> None:
    """Changed by hand, it still passes for what it says that it is of."""
    table = tmp_path / "damage.yaml"
    changed = replace(measured, blocks=(measured.blocks[1], *measured.blocks[1:]))
    write_damage(table, changed)
    options = ("--images", folder, "--checkpoint", checkpoint, "--damage", table)
    assert command(*options)[0] == 0
    assert read_damage(table) == changed
    assert command(*options, "--images-limit", "2", "--budget", "1ms")[0] == 1
    assert read_damage(table).images == 2


def test_in_words(
    command: Run, folder: Path, checkpoint: Path, tmp_path: Path, measured: DamageTable
) -> None:
    table = tmp_path / "damage.yaml"
    write_damage(table, measured)
    status, text, _ = command("--images", folder, "--checkpoint", checkpoint, "--damage", table)
    assert status == 0
    assert "\nfidelity     " in text
    assert "nats from the unpruned model's answers, predicted; measured " in text
    assert f"\ndamage       {table}: 6 images, 6 blocks, score pomt\n" in text


def test_a_table_of_something_else_is_refused(
    command: Run, checkpoint: Path, tmp_path: Path, measured: DamageTable
) -> None:
    table, other = tmp_path / "damage.yaml", tmp_path / "other.pth"
    write_damage(table, measured)
    torch.save(randomised(timm.create_model("test_vit"), seed=3).state_dict(), other)
    assert command("--damage", table, "--checkpoint", checkpoint)[0] == 0
    status, out, err = command("--damage", table, "--checkpoint", other)
    assert (status, out) == (2, "")
    assert err.startswith("optimize: weights_sha256 is ")
    assert err.endswith(" of the model's weights: measure a table for these\n")
    status, out, err = command("--damage", table, "--score", "cls")
    assert (status, out) == (2, "")
    assert err == (
        "optimize: score is 'pomt' in the damage table and 'cls' in the question: measure a "
        "table for it, or ask what the table is for\n"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--objective fidelity needs --images to measure on, or --damage, a table that "
         "was measured before"),
        (("--images", "FOLDER"), "--images measures what cuts cost, which random weights "
         "cannot tell: give --checkpoint or --pretrained"),
        (("--damage", "x", "--frontier"), "--objective and --frontier: leave one out"),
        (("--damage", "x", "--batches", "1,2"), "--objective and --batches: leave one out"),
        (("--damage", "x", "--device-profile", "t4"),
         "--objective fidelity is of one device: give one --device-profile"),
        (("--damage", "x", "--images-limit", "9"),
         "--images-limit needs --images or --evaluate"),
        (("--images", "FOLDER", "--checkpoint", "WEIGHTS", "--damage", "same.yaml", "--out",
          "same.yaml"), "--damage and --out name one file: same.yaml"),
    ],
)  # fmt: skip
def test_what_cannot_end_well_is_refused_first(
    command: Run, folder: Path, checkpoint: Path, options: tuple[str, ...], said: str
) -> None:
    named = {"FOLDER": folder, "WEIGHTS": checkpoint}
    status, out, err = command(*(named.get(one, one) for one in options))
    assert (status, out) == (2, "")
    assert f"optimize: {said}" in err


@pytest.mark.parametrize("name", ["images", "damage"])
def test_what_is_for_fidelity_is_refused_without(command: Run, folder: Path, name: str) -> None:
    status, out, err = command(f"--{name}", folder, objective="kept-tokens")
    assert (status, out) == (2, "")
    assert f"optimize: --{name} needs --objective fidelity" in err


def test_a_hopeless_budget_is_still_an_answer(
    command: Run, tmp_path: Path, measured: DamageTable
) -> None:
    table = tmp_path / "damage.yaml"
    write_damage(table, measured)
    status, text, _ = command("--damage", table, "--budget", "1ms", "--json")
    assert status == 1
    found: dict[str, Any] = json.loads(text)
    assert found["status"] == "infeasible: no schedule meets the budget"


def test_two_processes_measure_the_same_table(
    folder: Path, checkpoint: Path, tmp_path: Path, measured: DamageTable
) -> None:
    """Under torchrun, each with its own batches; only the first prints and writes."""
    profile, table = tmp_path / "made-up.yaml", tmp_path / "damage.yaml"
    write_profile(profile, staircase_profile())
    done = subprocess.run(  # noqa: S603 (our own code)
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m", "optimizer", "--budget", "16ms"),
            *("--device-profile", str(profile), "--model", "test_vit"),
            *("--objective", "fidelity", "--images", str(folder), "--images-batch", "2"),
            *("--checkpoint", str(checkpoint), "--device", "cpu", "--json"),
            *("--damage", str(table)),
        ],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, shared = json.loads(done.stdout), read_damage(table)
    assert found["tokens"] in [one["tokens"] for one in found["damage"]["rounds"]]
    assert replace(shared, blocks=measured.blocks) == measured
    for one, other in zip(shared.blocks, measured.blocks, strict=True):
        np.testing.assert_allclose(one.damage, other.damage, rtol=1e-4, atol=1e-7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damage.yaml", "made-up.yaml"]
