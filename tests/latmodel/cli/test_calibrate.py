"""`latmodel calibrate`, on this machine and by readings from elsewhere."""

from __future__ import annotations

import re
from math import isfinite, log
from typing import TYPE_CHECKING

import pytest
import torch

from latmodel.catalogue import read_profile, write_profile
from latmodel.operator_csv import operator_csv
from latmodel.operator_fitting import prior_from_spec
from latmodel.profile import DeviceProfile, Provenance
from latmodel.runtimes import operator_timer
from latmodel.scaling import scaled
from tests.latmodel.cli.command import Answer, latmodel_command
from tests.latmodel.planted_boards import MODEL, read_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from latmodel.operators import OperatorModel

SMALL = ("--model", "test_vit", "--device", "cpu", "--threads", "1", "--seconds", "0.1")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A model this small only waits for its own threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def shipped(place: Path, model: OperatorModel) -> Path:
    """A profile that knows little."""
    provenance = Provenance(source="a data sheet", measured="nothing")
    write_profile(
        place,
        DeviceProfile(
            name=place.stem,
            device="a laptop",
            confidence="low",
            provenance=(provenance,),
            warnings=("never measured",),
            operators=model,
        ),
    )
    return place


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    """Two cores by their specification alone."""
    spec = prior_from_spec(
        sms=2, bandwidth_gb_s=20.0, peak_gflops={("fp32",): 150.0}, launch_ns=5_000.0
    )
    return shipped(tmp_path / "laptop.yaml", spec)


def calibrate(capsys: pytest.CaptureFixture[str], *args: object) -> Answer:
    return latmodel_command(capsys, "calibrate", *(str(arg) for arg in args))


def test_this_machine_calibrates_a_profile(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, laptop: Path
) -> None:
    """End to end: choose, time, fit, write, read back, predict."""
    place = tmp_path / "mine.yaml"
    answer = calibrate(
        capsys, "--device-profile", laptop, "--probes", 10, *SMALL, "--out", place
    )
    assert answer.status == 0
    profile = read_profile(place)
    after, before = profile.errors
    assert (after.rows, before.rows) == (10, 10)
    assert all(isfinite(each.mean_percent) for each in profile.errors)
    environment = profile.environment
    assert environment is not None
    assert (environment.runtime, environment.threads) == ("torch eager", 1)
    assert profile.device == f"{environment.device}, calibrated from a laptop"
    calibration, sheet = profile.provenance
    assert calibration.source == f"latmodel calibrate, torch eager {torch.__version__}"
    assert calibration.measured == (
        "10 single operators of test_vit at batch 1 in fp32, each run and waited for alone"
    )
    assert sheet.source == "a data sheet"
    assert profile.confidence == "low"  # with ten operators
    said = re.fullmatch(
        rf"{re.escape(str(place))}: error ([\d.]+) % -> ([\d.]+) % "
        rf"\(leave one out, 10 probes\); confidence low; {re.escape(profile.device)}\n",
        answer.out,
    )
    assert said
    assert float(said[1]) == pytest.approx(before.mean_percent, abs=0.06)
    assert float(said[2]) == pytest.approx(after.mean_percent, abs=0.06)
    assert answer.err.endswith("".join(f"warning: {w}\n" for w in profile.warnings))
    predicted = latmodel_command(
        capsys, "predict", "--model", "test_vit", "--device-profile", str(place)
    )
    assert predicted.status == 0
    assert predicted.out.startswith("  101 tokens ")


def test_readings_of_another_board_need_no_torch(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CSV of a board three times as slow: the profile is, and nothing is timed here."""

    def timed(*_: object, **__: object) -> object:
        raise AssertionError

    monkeypatch.setattr(operator_timer, "OperatorTimer", timed)
    base = shipped(tmp_path / "nano.yaml", MODEL)
    board = scaled(MODEL, dict.fromkeys(("launch", "compute", "memory"), log(3)))
    results = tmp_path / "results.csv"
    results.write_text(operator_csv(read_on(board, ("linear", "norm", "add"), 8, noise=0.02)))
    place = tmp_path / "mine.yaml"
    answer = calibrate(capsys, "--device-profile", base, "--readings", results, "--out", place)
    assert answer.status == 0
    profile = read_profile(place)
    after, before = profile.errors
    assert answer.out == (
        f"{place}: error {before.mean_percent:.1f} % -> {after.mean_percent:.1f} % "
        "(leave one out, 24 probes); confidence low -> medium; a laptop\n"
    )
    assert after.mean_percent < 10
    assert before.mean_percent > 60
    assert answer.err == "warning: of nano before its calibration: never measured\n"
    assert profile.provenance[0].source == "latmodel calibrate --readings results.csv"
    assert profile.provenance[0].measured == (
        "24 readings of single operators (linear, norm, add)"
    )
    assert profile.environment is None


def test_a_file_of_one_kind_may_leave_it_to_the_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    base = shipped(tmp_path / "nano.yaml", MODEL)
    results = tmp_path / "norms.csv"
    results.write_text(
        "rows,width,latency_us,note\n1,64,60,a\n500,64,70,b\n500,1024,170,c\n2000,1024,700,d\n"
    )
    asked = ("--device-profile", base, "--readings", results, "--out", tmp_path / "mine.yaml")
    answer = calibrate(capsys, *asked, "--kind", "norm", "--dtype", "fp32")
    assert answer.status == 0
    assert answer.err.startswith(f"{results}: columns note are not read\n")
    assert "(leave one out, 4 probes)" in answer.out
    assert calibrate(capsys, *asked, "--dtype", "fp32") == Answer(
        2,
        "",
        f"latmodel: {results}: line 1, kind: no such column; give the kind of all rows by "
        "--kind\n",
    )


@pytest.mark.parametrize(
    "option",
    [("--probes", "20"), ("--device", "cpu"), ("--seconds", "3"), ("--model", "test_vit")],
    ids=lambda option: option[0],
)
def test_what_says_how_to_time_is_refused_beside_readings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, laptop: Path, option: tuple[str, str]
) -> None:
    """Even where it says what is the default."""
    asked = ("--device-profile", laptop, "--readings", "r.csv", "--out", tmp_path / "x.yaml")
    assert calibrate(capsys, *asked, *option) == Answer(
        2,
        "",
        "latmodel: --readings was given, so nothing is timed here: leave out "
        f"{option[0]} (see latmodel calibrate --help)\n",
    )


def test_a_kind_without_readings_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, laptop: Path
) -> None:
    asked = ("--device-profile", laptop, "--kind", "norm", "--out", tmp_path / "x.yaml")
    assert calibrate(capsys, *asked) == Answer(
        2,
        "",
        "latmodel: --kind tells the kind of --readings: give that file too (see latmodel "
        "calibrate --help)\n",
    )


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be timed: what is wrong is said before anything is."""

    def timed(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(operator_timer, "settle", timed)


@pytest.mark.usefixtures("untimed")
def test_what_is_wrong_is_said_before_anything_is_timed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, laptop: Path
) -> None:
    place = tmp_path / "none" / "x.yaml"
    base = ("--device-profile", laptop, *SMALL)
    assert calibrate(capsys, *base, "--out", place) == Answer(
        2, "", f"latmodel: {place}: cannot write: there is no folder {place.parent}\n"
    )
    mine = ("--out", tmp_path / "x.yaml")
    assert calibrate(capsys, *base, "--dtype", "bf16", *mine) == Answer(
        2, "", "latmodel: dtype is 'bf16': the operator model knows fp32 for linear\n"
    )
    answer = calibrate(capsys, *base, "--probes", "2", *mine)
    assert (answer.status, answer.out) == (2, "")
    paper = ("--device-profile", "tests/latmodel/paper.yaml", *SMALL, *mine)
    assert calibrate(capsys, *paper).status == 2
    assert not (tmp_path / "x.yaml").exists()
