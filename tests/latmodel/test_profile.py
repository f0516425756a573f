from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.profile import DeviceProfile
from tests.latmodel.golden import PAPER, PAPER_VIT, WHOLE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"curves": ()}, "the profile holds neither curves nor operators"),
        ({"provenance": ()}, "provenance is empty: name at least one source"),
        ({"confidence": "sure"}, "confidence is 'sure': must be one of high, medium, low"),
    ],
)
def test_a_profile_must_be_able_to_answer(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        replace(PAPER, **change)
    assert str(caught.value) == message


def test_a_measured_workload_is_answered_by_its_curve() -> None:
    """By its shapes: what the model is called does not matter."""
    profile = replace(PAPER, curves=(WHOLE,))
    table = profile.table(replace(PAPER_VIT, model="the same by another name"))
    assert table.origin == "measured curve of paper_vit, 4 probes"
    assert table.dense_ns == 131


def test_of_several_curves_the_fitting_one_answers() -> None:
    at_batch_2 = replace(WHOLE, workload=PAPER_VIT.at(batch=2), ends_ns=99)
    profile = replace(PAPER, curves=(WHOLE, at_batch_2))
    assert profile.table(PAPER_VIT).fixed_ns == 70
    assert profile.table(PAPER_VIT.at(batch=2)).fixed_ns == 119


def test_what_was_not_measured_is_refused_with_the_command_that_measures_it() -> None:
    with pytest.raises(ProfileError) as caught:
        PAPER.table(replace(PAPER_VIT, model="deit", depth=3).at(batch=8, dtype="fp16"))
    assert str(caught.value) == (
        "profile 'paper' was measured for paper_vit at batch 1 in fp32, not for deit at batch "
        "8 in fp16 (they differ in depth, batch, dtype); measure it: latmodel probe --model "
        "deit --batch 8 --dtype fp16 --out FILE"
    )


def test_a_profile_of_curves_knows_no_operators() -> None:
    with pytest.raises(ProfileError) as caught:
        PAPER.operator_ns("norm", rows=1, width=1)
    assert str(caught.value) == "profile 'paper' has curves only, no operator model"


def test_reading_inverts_writing() -> None:
    assert DeviceProfile.from_fields(Fields(PAPER.to_dict()), "paper") == PAPER


def test_what_is_empty_need_not_stand_in_the_file() -> None:
    bare = replace(PAPER, environment=None, errors=(), warnings=())
    values = bare.to_dict()
    assert "environment" not in values
    for name in ("errors", "warnings"):
        assert values.pop(name) == []
    assert DeviceProfile.from_fields(Fields(values), "paper") == bare


@pytest.mark.parametrize("number", [2, 0, -1, 10**9])
def test_another_format_is_refused_before_anything_else(number: int) -> None:
    """A newer file may hold anything else; its number is all that matters."""
    with pytest.raises(FieldError) as caught:
        DeviceProfile.from_fields(Fields({"format": number, "new": 1}), "paper")
    assert str(caught.value) == (
        f"format: found {number}, allowed is 1: this file was written by another version of "
        "the package"
    )
