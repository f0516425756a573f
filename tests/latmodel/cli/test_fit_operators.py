from __future__ import annotations

import re
from pathlib import Path

import pytest

from latmodel.catalogue import read_profile
from latmodel.operator_csv import operator_csv
from latmodel.operator_rivals import errors_of
from tests.latmodel.cli.command import Answer, latmodel_command
from tests.latmodel.made_up_operators import made_up_readings

LINEAR = made_up_readings("linear", count=120)
NORM = made_up_readings("norm", count=120)
SHEET = ("--device-name", "Made-up, 10 W", "--sms", "10", "--bandwidth", "100")


def fit(capsys: pytest.CaptureFixture[str], *args: object) -> Answer:
    return latmodel_command(capsys, "fit-operators", *SHEET, *map(str, args))


def test_timings_become_a_profile_that_answers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Two files, one of them with a column that nobody asked for."""
    linear, norm = tmp_path / "linear.csv", tmp_path / "norm.csv"
    linear.write_text(operator_csv([LINEAR]), encoding="utf-8")
    norm.write_text(
        "kind,dtype,rows,width,latency_ns,note\n"
        + "".join(
            f"norm,fp32,{rows},{width},{latency_ns},x\n"
            for rows, width, latency_ns in zip(
                *(size.astype(int) for size in NORM.sizes.values()),
                NORM.latency_ns,
                strict=True,
            )
        ),
        encoding="utf-8",
    )
    out = tmp_path / "it.yaml"
    answer = fit(capsys, linear, norm, "--peak", "fp32=2000", "--licence", "MIT", "--out", out)
    assert answer.status == 0
    assert answer.err.splitlines() == [
        f"{norm}: columns ignored: 'note'",
        "warning: derived, not timed: fp32: bmm from the kernels of its linears",
        "warning: derived, not timed: fp32: softmax, gelu, add from the specified bandwidth "
        "and the launch of its linears",
    ]
    lines = answer.out.splitlines()
    assert (
        lines[0]
        == f"{'error on shapes held out':36}{'mean':>7}{'median':>8}{'within 10 %':>13}"
    )
    assert lines[-1] == f"{out}: 240 timings of Made-up, 10 W; confidence low"
    held = [int(part.held_out().sum()) for part in (LINEAR, NORM)]
    names = [re.split(r"  +", line.strip())[0] for line in lines[1:-1]]
    rivals = ["roofline of the data sheet", "roofline fitted", "boosted trees on sizes"]
    assert names == [
        f"linear fp32 ({held[0]} rows)", *rivals, f"norm fp32 ({held[1]} rows)", *rivals
    ]  # fmt: skip
    profile = read_profile(out)
    assert profile.provenance[0].source == "latmodel fit-operators of linear.csv, norm.csv"
    assert profile.provenance[0].licence == "MIT"
    assert profile.operators is not None
    said = profile.operators.cost("linear", LINEAR.sizes).latency_ns
    assert errors_of(said, LINEAR.latency_ns).mean < 5
    predicted = latmodel_command(
        capsys, "predict", "--model", "test_vit", "--device-profile", str(out)
    )
    assert (predicted.status, predicted.out.split()[:2]) == (0, ["101", "tokens"])


def test_mode_gap_and_dispatch_reach_the_profile(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    timings, out = tmp_path / "it.csv", tmp_path / "it.yaml"
    timings.write_text(operator_csv([LINEAR]), encoding="utf-8")
    words = ("--mode", "graph", "--gap", "1.5", "--dispatch", "4", "--source", "me")
    assert fit(capsys, timings, *words, "--out", out).status == 0
    profile = read_profile(out)
    assert profile.operators is not None
    model = profile.operators
    assert (model.mode, model.gap_ns, model.dispatch_ns) == ("graph", 1500.0, 4000.0)
    assert profile.provenance[0].source == "me"
    assert profile.provenance[0].licence == ""


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("rows,width,latency_us\n1,2,3\n", (), "{file}: line 1, kind: no such column; give the "
         "kind of all rows by --kind"),
        ("rows,width,latency_us\n1,2,x\n", ("--kind", "norm", "--dtype", "fp32"),
         "{file}: line 2, latency_us: found 'x', allowed is a number of us of at least 1 ns "
         "and at most 3600000000"),
        ("rows,width,latency_us\n1,2,3\n", ("--kind", "norm", "--dtype", "fp32"),
         "no linear was timed in fp32: its timings are the least that a number format needs; "
         "add rows of kind linear"),
        ("", ("--peak", "fp64=3"),
         "Invalid value for '--peak': found 'fp64=3', allowed is DTYPE=GFLOPS such as "
         "fp32=8141, DTYPE one of fp32, fp16, bf16 (see latmodel fit-operators --help)"),
        ("", ("--peak", "fp32:3"),
         "Invalid value for '--peak': found 'fp32:3', allowed is DTYPE=GFLOPS such as "
         "fp32=8141, DTYPE one of fp32, fp16, bf16 (see latmodel fit-operators --help)"),
        ("", ("--peak", "fp32=0"), "peak_gflops.fp32 is 0.0: must be finite and above 0"),
        ("", ("--bandwidth", "nan"), "bandwidth_gb_s is nan: must be finite and above 0"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str,
    words: tuple[str, ...],
    message: str,
) -> None:
    place, out = tmp_path / "it.csv", tmp_path / "it.yaml"
    place.write_text(text, encoding="utf-8")
    answer = fit(capsys, place, *words, "--out", out)
    assert answer == Answer(2, "", f"latmodel: {message.format(file=place)}\n")
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_refused_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Before the timings, which are not there, are looked at."""
    out = tmp_path / "none" / "it.yaml"
    assert fit(capsys, tmp_path / "none.csv", "--out", out) == Answer(
        2, "", f"latmodel: {out}: cannot write: there is no folder {tmp_path}/none\n"
    )
