from __future__ import annotations

from pathlib import Path

import pytest

from tests.latmodel.cli.command import latmodel_command
from tests.latmodel.golden import PAPER_TEXT

# The paper profile, said to be of a model that the shipped list holds, and without noise.
SHAPES = {
    "samples_ns: [20, 22, 24]": "samples_ns: [22, 22, 22]",
    "depth: 2": "depth: 6",
    "dim: 8": "dim: 64",
    "head_dim: 4": "head_dim: 32",
    "mlp_width: 16": "mlp_width: 192",
    "tokens: 4": "tokens: 101",
    "patch_inputs: 12": "patch_inputs: 768",
    "classes: 10": "classes: 1000",
    "qk_norm: true": "qk_norm: false",
    "count: 4": "count: 101",
}


@pytest.fixture
def board(tmp_path: Path) -> Path:
    text = PAPER_TEXT
    for old, new in SHAPES.items():
        assert old in text
        text = text.replace(f" {old}\n", f" {new}\n")
    place = tmp_path / "board.yaml"
    place.write_text(text, encoding="utf-8")
    return place


def predict(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    answer = latmodel_command(capsys, "predict", *(str(arg) for arg in args))
    return answer.status, answer.out, answer.err


def test_the_full_count_is_the_default(capsys: pytest.CaptureFixture[str], board: Path) -> None:
    """130 ns are 0.000 ms; the full count of a profile is always probed, here without noise."""
    status, out, err = predict(capsys, "--model", "test_vit", "--device-profile", board)
    assert status == 0
    assert out == "  101 tokens       0.000 ms  +- 0.0%\n"
    assert err == (
        "Paper Board, 10 W; measured curve of paper_vit, 3 probes; confidence high\n"
        "warning: the fan was off\n"
    )


def test_every_count_asked_is_a_line_in_the_order_asked(
    capsys: pytest.CaptureFixture[str], board: Path
) -> None:
    options = ("--model", "test_vit", "--device-profile", board)
    status, out, _ = predict(capsys, *options, "--tokens", 101, "--tokens", 1, "--tokens", 50)
    assert status == 0
    assert [int(line.split()[0]) for line in out.splitlines()] == [101, 1, 50]


@pytest.mark.parametrize("count", [0, -1, 102])
def test_a_count_that_the_model_has_not_is_refused(
    capsys: pytest.CaptureFixture[str], board: Path, count: int
) -> None:
    options = ("--model", "test_vit", "--device-profile", board)
    assert predict(capsys, *options, f"--tokens={count}") == (
        2,
        "",
        f"latmodel: --tokens is {count}: test_vit runs 1 to 101\n",
    )


def test_an_unknown_profile_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, err = predict(capsys, "--device-profile", tmp_path / "none.yaml")
    assert (status, out) == (2, "")
    assert err.startswith(
        f"latmodel: {tmp_path}/none.yaml: no such file and no shipped profile "
    )
    assert err.endswith("measure this machine with: latmodel probe --out here.yaml\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file: found nothing, allowed is a mapping"),
        ("format: 2\n", "format: found 2, allowed is 1: this file was written by another "
         "version of the package"),
        ("format: 1\nformat: 1\n", "line 2: duplicate key 'format'"),
        (PAPER_TEXT.replace("[30]", "[-30]"),
         "curves[0].blocks[1].samples_ns.0: found an integer -30, allowed is an integer of 1 "
         "or more"),
    ],
    ids=["empty", "future", "duplicate", "negative"],
)  # fmt: skip
def test_a_malformed_profile_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, message: str
) -> None:
    place = tmp_path / "broken.yaml"
    place.write_text(text, encoding="utf-8")
    answer = predict(capsys, "--device-profile", place)
    assert answer == (2, "", f"latmodel: {place}: {message}\n")


def test_an_unknown_model_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], board: Path
) -> None:
    status, out, err = predict(capsys, "--model", "test_vitt", "--device-profile", board)
    assert (status, out) == (2, "")
    assert err.startswith("latmodel: timm ")
    assert " has no model 'test_vitt'; did you mean test_vit" in err
    assert err.count("\n") == 1


def test_a_model_that_was_not_measured_is_refused_with_what_to_do(
    capsys: pytest.CaptureFixture[str], board: Path
) -> None:
    options = ("--model", "test_vit", "--batch", 8, "--device-profile", board)
    assert predict(capsys, *options) == (
        2,
        "",
        "latmodel: profile 'board' was measured for paper_vit at batch 1 in fp32, not for "
        "test_vit at batch 8 in fp32 (they differ in batch); measure it: latmodel probe "
        "--model test_vit --batch 8 --dtype fp32 --out FILE\n",
    )
