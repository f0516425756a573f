from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from latmodel.catalogue import write_profile
from tests.latmodel.cli.command import latmodel_command
from tests.latmodel.golden import PAPER, PAPER_TEXT, WHOLE
from tests.latmodel.operator_devices import UNFUSED, with_launches

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
    """130 ns are 0.000 ms; the full count of a profile is always probed, here without noise.

    What is left is the error that all counts share where the whole model was never timed.
    """
    status, out, err = predict(capsys, "--model", "test_vit", "--device-profile", board)
    assert status == 0
    assert out == "  101 tokens       0.000 ms  +- 5.6%\n"
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


# By operator. A launch of 1 ms outlasts all that the device computes.
SLOW_HOST = with_launches(UNFUSED, 1e6)

TABLE = """\
  101 tokens      78.500 ms  +- 11.5%
operator (eager)  count  launch ms    busy ms  latency ms   share      +-
patch embedding       1      2.500      0.059       2.500    3.2%   21.4% *
positions             2      2.000      0.006       2.000    2.5%    2.0%
norm                 13     13.000      0.032      13.000   16.6%    2.0%
qkv                   6      6.000      0.062       6.000    7.6%   21.5% *
scores                6      6.000      0.054       6.000    7.6%   20.0%
softmax               6      6.000      0.027       6.000    7.6%    2.0%
values                6      6.000      0.034       6.000    7.6%   20.0%
projection            6      6.000      0.028       6.000    7.6%   21.5% *
residual             12     12.000      0.035      12.000   15.3%    2.0%
mlp in                6      6.000      0.062       6.000    7.6%   21.5% *
gelu                  6      6.000      0.026       6.000    7.6%    2.0%
mlp out               6      6.000      0.049       6.000    7.6%   21.5% *
head                  1      1.000      0.008       1.000    1.3%   30.8% *
total                77     78.500      0.480      78.500  100.0%   11.5%
* outside the readings, where latency is extrapolated and its error grows:
  linear rows 1 to 101 (read 8 to 32)
  linear in_features 768 (read 64 to 256)
"""


@pytest.fixture
def operators(tmp_path: Path) -> Path:
    """A board of operators alone."""
    place = tmp_path / "operators.yaml"
    write_profile(place, replace(PAPER, curves=(), operators=SLOW_HOST))
    return place


@pytest.fixture
def both(tmp_path: Path, board: Path) -> Path:
    """The same operators beside a measured curve of `test_vit`."""
    text = board.read_text(encoding="utf-8")
    write_profile(tmp_path / "only.yaml", replace(PAPER, curves=(WHOLE,), operators=SLOW_HOST))
    more = (tmp_path / "only.yaml").read_text(encoding="utf-8")
    place = tmp_path / "both.yaml"
    place.write_text(text + more[more.index("operators:") :], encoding="utf-8")
    return place


def test_one_count_is_told_by_operator(
    capsys: pytest.CaptureFixture[str], operators: Path
) -> None:
    status, out, err = predict(capsys, "--model", "test_vit", "--device-profile", operators)
    assert (status, out) == (0, TABLE)
    assert err == (
        "Paper Board, 10 W; operator model (eager: the slower of host and device), composed "
        "for test_vit at batch 1 in fp32, attention unfused; confidence high\n"
        "warning: the fan was off\n"
    )


def test_several_counts_are_a_line_each_and_the_table_warns(
    capsys: pytest.CaptureFixture[str], operators: Path
) -> None:
    options = ("--model", "test_vit", "--device-profile", operators)
    status, out, err = predict(capsys, *options, "--tokens", 101, "--tokens", 32)
    assert status == 0
    assert out.splitlines()[0] == TABLE.splitlines()[0]
    assert out.count("\n") == 2
    assert "warning: asked outside the readings, " in err


def test_several_counts_are_told_by_operator_when_asked(
    capsys: pytest.CaptureFixture[str], operators: Path
) -> None:
    options = ("--model", "test_vit", "--device-profile", operators, "--by-operator")
    status, out, _ = predict(capsys, *options, "--tokens", 101, "--tokens", 32)
    first, second = out.split("\n\n")
    assert (status, first) == (0, TABLE.rstrip("\n"))
    assert second.startswith("   32 tokens ")
    assert "\ncut                  16 " in second


@pytest.mark.parametrize("mode", ["eager", "graph", "sum"])
def test_the_mode_is_chosen(
    capsys: pytest.CaptureFixture[str], operators: Path, mode: str
) -> None:
    options = ("--model", "test_vit", "--device-profile", operators, "--mode", mode)
    status, out, err = predict(capsys, *options)
    total = next(line.split() for line in out.splitlines() if line.startswith("total "))
    expected = {"eager": "78.500", "graph": "0.480", "sum": "78.796"}[mode]
    assert (status, total[2:5]) == (0, ["78.500", "0.480", expected])
    assert f"operator ({mode}) " in out
    assert f"operator model ({mode}: " in err


def test_attention_is_chosen(capsys: pytest.CaptureFixture[str], operators: Path) -> None:
    options = ("--model", "test_vit", "--device-profile", operators, "--attention", "fused")
    status, out, err = predict(capsys, *options)
    assert status == 0
    assert "\nattention             6 " in out
    assert "scores" not in out
    assert "warning: fused attention was not read on this device" in err


def test_a_measured_curve_is_not_told_by_operator_unless_asked(
    capsys: pytest.CaptureFixture[str], both: Path
) -> None:
    options = ("--model", "test_vit", "--device-profile", both)
    assert predict(capsys, *options)[1] == "  101 tokens       0.000 ms  +- 5.6%\n"
    assert predict(capsys, *options, "--by-operator")[1] == TABLE
    assert predict(capsys, *options, "--mode", "eager")[1] == TABLE


@pytest.mark.parametrize("option", [("--by-operator",), ("--mode", "sum")])
def test_what_only_operators_can_tell_is_refused_without_them(
    capsys: pytest.CaptureFixture[str], board: Path, option: tuple[str, ...]
) -> None:
    answer = predict(capsys, "--model", "test_vit", "--device-profile", board, *option)
    assert answer == (
        2,
        "",
        "latmodel: profile 'board' has curves only, no operator model: a mode, an attention or "
        "a latency by operator cannot be told from them\n",
    )


def test_json_is_one_object_that_adds_up(
    capsys: pytest.CaptureFixture[str], operators: Path
) -> None:
    options = ("--model", "test_vit", "--device-profile", operators, "--json")
    status, out, _ = predict(capsys, *options, "--tokens", 50)
    values = json.loads(out)
    (prediction,) = values["predictions"]
    assert status == 0
    assert (values["model"], values["dtype"], values["profile"]) == (
        "test_vit",
        "fp32",
        "operators",
    )
    assert (prediction["tokens"], prediction["mode"]) == (50, "eager")
    rows = prediction["operators"]
    assert sum(row["latency_ms"] for row in rows) == pytest.approx(prediction["latency_ms"])
    assert rows[0] == {
        "role": "patch embedding",
        "kinds": ["linear"],
        "count": 1,
        "launch_ms": 2.5,
        "busy_ms": pytest.approx(0.0594, abs=1e-4),
        "latency_ms": 2.5,
        "share": pytest.approx(2.5 / prediction["latency_ms"]),
        "relative_error": pytest.approx(0.1 * (1 + math.log(100 / 32))),
        "outside": [
            "linear rows 100 (read 8 to 32)",
            "linear in_features 768 (read 64 to 256)",
        ],
    }


def test_json_of_a_curve_has_no_operators(
    capsys: pytest.CaptureFixture[str], board: Path
) -> None:
    options = ("--model", "test_vit", "--device-profile", board, "--json")
    _, out, _ = predict(capsys, *options, "--tokens", 101, "--tokens", 1)
    values = json.loads(out)
    assert values["origin"] == "measured curve of paper_vit, 3 probes"
    assert [sorted(p) for p in values["predictions"]] == [
        ["latency_ms", "relative_error", "tokens"]
    ] * 2
    assert values["warnings"] == ["the fan was off"]


def test_a_profile_without_fp32_says_what_it_takes_in_its_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    products = tuple(replace(part, dtypes=("bf16",)) for part in UNFUSED.products)
    streams = tuple(replace(part, dtypes=("bf16",)) for part in UNFUSED.streams)
    model = replace(UNFUSED, products=products, streams=streams)
    write_profile(tmp_path / "half.yaml", replace(PAPER, curves=(), operators=model))
    options = ("--model", "test_vit", "--device-profile", tmp_path / "half.yaml")
    status, _, err = predict(capsys, *options)
    assert status == 0
    assert err.startswith("dtype bf16: profile 'half' does not know fp32\n")
    assert "does not know" not in predict(capsys, *options, "--dtype", "bf16")[2]
    status, _, err = predict(capsys, *options, "--dtype", "fp32")
    assert status == 2
    assert err.startswith("latmodel: dtype is 'fp32': the operator model does not know norm, ")
