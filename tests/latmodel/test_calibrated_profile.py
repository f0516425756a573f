"""What a calibrated profile says of itself, word for word."""

from __future__ import annotations

import re
from dataclasses import replace
from math import exp, log
from typing import TYPE_CHECKING

import pytest

from latmodel.calibrated_profile import calibrate_profile
from latmodel.catalogue import read_profile, write_profile
from latmodel.environment import Environment
from latmodel.errors import ProfileError
from latmodel.operator_kinds import DIMS
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.scaling import scaled
from latmodel.workloads import find_workload
from tests.latmodel.planted_boards import MODEL, read_on

if TYPE_CHECKING:
    from pathlib import Path

    from latmodel.calibrating import Calibrated
    from latmodel.operators import OperatorModel

HERE = Environment(device="Orin", runtime="torch eager", dtype="fp32", threads=0)
BOARD = scaled(MODEL, {"launch": log(2), "compute": log(1.5), "memory": log(0.7)})
SHIPPED = DeviceProfile(
    name="nano",
    device="Orin Nano 8GB",
    confidence="low",
    provenance=(Provenance(source="a report", measured="a sibling", licence="MIT"),),
    errors=(ErrorFigure(what="a sibling's rows", mean_percent=12.5, rows=80),),
    warnings=("scaled by its specification",),
    operators=MODEL,
)


def calibrated(
    profile: DeviceProfile = SHIPPED,
    *,
    board: OperatorModel = BOARD,
    each: int = 3,
    noise: float = 0.02,
    environment: Environment | None = HERE,
) -> tuple[DeviceProfile, Calibrated]:
    return calibrate_profile(
        profile,
        read_on(board, tuple(DIMS), each, noise=noise),
        name="mine",
        source="latmodel calibrate, torch eager 2.14",
        measured="21 single operators",
        environment=environment,
    )


def test_a_calibrated_profile_says_what_it_is() -> None:
    new, found = calibrated()
    assert (new.name, new.confidence, new.environment) == ("mine", "medium", HERE)
    assert new.device == "Orin, calibrated from Orin Nano 8GB"
    assert new.operators == found.model
    calibration, shipped = new.provenance
    assert shipped == SHIPPED.provenance[0]
    assert calibration.source == "latmodel calibrate, torch eager 2.14"
    assert calibration.measured == "21 single operators"
    numbers = re.fullmatch(
        r"factors on the costs of nano: launches x ([\d.]+), computing x ([\d.]+), memory x "
        r"([\d.]+); and factors of single kinds, parts and kernels",
        calibration.derived,
    )
    assert numbers
    told = [float(number) for number in numbers.groups()]
    fitted = [exp(found.logs[group]) for group in ("launch", "compute", "memory")]
    assert told == pytest.approx(fitted, rel=1e-2)
    # These shapes are too small to tell the memory's speed.
    assert told[:2] == pytest.approx([2, 1.5], rel=0.25)


def test_its_errors_are_after_before_and_what_was_said_before() -> None:
    new, found = calibrated()
    assert new.errors == (
        ErrorFigure(
            what="single operators of the board, each left alone out of the calibration",
            mean_percent=round(found.after_percent, 2),
            rows=21,
        ),
        ErrorFigure(
            what="the same operators before the calibration",
            mean_percent=round(found.before_percent, 2),
            rows=21,
        ),
        ErrorFigure(
            what="nano before its calibration: a sibling's rows", mean_percent=12.5, rows=80
        ),
    )
    assert found.after_percent < 10 < found.before_percent


def test_its_warnings_are_said_of_the_profile_before() -> None:
    assert calibrated()[0].warnings == (
        "of nano before its calibration: scaled by its specification",
    )


def test_many_readings_are_left_out_in_folds() -> None:
    new, _ = calibrated(each=7)
    assert new.errors[0].what == (
        "single operators of the board, each left in 40 folds out of the calibration"
    )


@pytest.mark.parametrize(
    ("before", "each", "noise", "after"),
    [
        ("low", 3, 0.02, "medium"),  # 21 operators, a few percent
        ("low", 2, 0.02, "low"),  # 14 are not enough
        ("low", 3, 0.25, "low"),  # not close enough
        ("medium", 2, 0.02, "medium"),
        ("medium", 3, 0.25, "medium"),  # no reason to trust it less
        ("medium", 3, 0.9, "low"),  # this is one
        ("high", 2, 0.02, "medium"),  # operators never are
    ],
)
def test_confidence_follows_operators_and_error(
    before: str, each: int, noise: float, after: str
) -> None:
    new, found = calibrated(replace(SHIPPED, confidence=before), each=each, noise=noise)
    assert new.confidence == after, found.after_percent


def test_few_operators_are_warned_of() -> None:
    assert calibrated(each=2)[0].warnings[0] == (
        "calibrated with 14 operators: 20 or more tell kinds and kernels apart"
    )


def test_a_calibration_that_does_not_help_says_so() -> None:
    """Readings of the very device: what is left out is predicted no better than before."""
    new, found = calibrated(board=MODEL, noise=0.1)
    assert found.after_percent >= found.before_percent
    assert new.warnings[0] == (
        "the calibration did not help: operators that it had not seen are "
        f"{found.after_percent:.1f} % off, {found.before_percent:.1f} % before it; use the "
        "profile as it was, or read more operators"
    )


def test_a_board_that_stays_far_off_says_what_may_be_wrong() -> None:
    new, found = calibrated(noise=0.9)
    assert found.after_percent > 30
    assert (
        f"operators of the board are predicted {found.after_percent:.0f} % off: another "
        "program was running, or the profile is of quite another device; read again "
        "with nothing else running, on a CPU with fewer threads"
    ) in new.warnings
    assert not any("another program" in warning for warning in calibrated()[0].warnings)


def test_number_formats_that_were_not_read_are_warned_of() -> None:
    half = replace(MODEL.products[0], dtypes=("fp16", "bf16"))
    model = replace(MODEL, products=(*MODEL.products, half))
    new, _ = calibrated(replace(SHIPPED, operators=model))
    assert new.warnings[0] == (
        "only fp32 was read on the board: fp16, bf16 shares its factors of launches, computing "
        "and memory, and its error is not known"
    )


def test_curves_do_not_outlive_a_calibration() -> None:
    paper = read_profile("tests/latmodel/paper.yaml")
    new, _ = calibrated(replace(SHIPPED, curves=paper.curves))
    assert new.curves == ()
    assert new.warnings[0] == (
        "the measured curves of nano are left out: they hold for the device before its "
        "calibration"
    )


def test_readings_from_elsewhere_keep_the_device_s_name() -> None:
    new, _ = calibrated(environment=None)
    assert (new.device, new.environment) == ("Orin Nano 8GB", None)


def test_it_can_be_calibrated_again() -> None:
    once, _ = calibrated()
    again, _ = calibrated(once)
    assert again.device == "Orin, calibrated from Orin Nano 8GB"
    assert len(again.provenance) == 3


def test_it_is_read_back_as_it_was_written_and_answers(tmp_path: Path) -> None:
    new, _ = calibrated()
    write_profile(tmp_path / "mine.yaml", new)
    back = read_profile(tmp_path / "mine.yaml")
    assert back == new
    table = back.table(find_workload("deit_small_patch16_224"))
    assert table.dense_ns > SHIPPED.table(find_workload("deit_small_patch16_224")).dense_ns


def test_a_profile_of_curves_alone_is_refused() -> None:
    paper = replace(read_profile("tests/latmodel/paper.yaml"), operators=None)
    message = (
        "profile 'paper' has curves only, no operator model to calibrate; measure again: "
        "latmodel probe --out FILE"
    )
    with pytest.raises(ProfileError, match=f"^{re.escape(message)}$"):
        calibrated(paper)
