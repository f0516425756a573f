from __future__ import annotations

import sys

import pytest

from latmodel.profile import DeviceProfile
from tests.latmodel.cli.command import latmodel_command
from tests.latmodel.golden import PAPER


def test_every_profile_is_listed_with_its_confidence_and_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(name: str) -> DeviceProfile:
        assert name == "paper"
        return PAPER

    module = sys.modules["latmodel.cli.profiles"]
    monkeypatch.setattr(module, "shipped_profiles", lambda: ("paper",))
    monkeypatch.setattr(module, "read_profile", read)
    answer = latmodel_command(capsys, "profiles")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == (
        "paper            high    Paper Board, 10 W\n"
        "                         error 1.5 % on the unpruned model (1 rows)\n"
    )


def test_the_shipped_profiles_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    answer = latmodel_command(capsys, "profiles")
    assert (answer.status, answer.err) == (0, "")
    assert "\njetson " in answer.out
