from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from latmodel.profile import DeviceProfile
from tests.latmodel.cli.command import latmodel_command
from tests.latmodel.golden import OPERATORS_TEXT, PAPER, PAPER_OPERATORS

BARE = replace(PAPER, name="bare", confidence="low", errors=())

DETAILS = """\
paper_operators: Paper Board, 10 W
  confidence  medium
  dtypes      fp16
  operators   run in mode graph
  source      counted by hand (CC0)
  measured    everything
  error       4.0 % on linears (20 rows)
  error       1.5 % on streams (12 rows)
"""


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three profiles: of curves, of operators, and of unknown error."""
    known = {"paper": PAPER, "paper_operators": PAPER_OPERATORS, "bare": BARE}

    def read(name: str) -> DeviceProfile:
        return known[name]

    module = sys.modules["latmodel.cli.profiles"]
    monkeypatch.setattr(module, "shipped_profiles", lambda: tuple(known))
    monkeypatch.setattr(module, "read_profile", read)


@pytest.mark.usefixtures("shipped")
def test_every_profile_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    answer = latmodel_command(capsys, "profiles")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == (
        "name             confidence  dtypes  error      device\n"
        "paper            high        fp32    1.5 %      Paper Board, 10 W\n"
        "paper_operators  medium      fp16    1.5-4.0 %  Paper Board, 10 W\n"
        "bare             low         fp32    unknown    Paper Board, 10 W\n"
    )


@pytest.mark.usefixtures("shipped")
def test_a_name_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    answer = latmodel_command(capsys, "profiles", "paper_operators")
    assert (answer.status, answer.out, answer.err) == (0, DETAILS, "")


@pytest.mark.usefixtures("shipped")
def test_all_can_be_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    answer = latmodel_command(capsys, "profiles", "--long")
    first, second, third = answer.out.split("\n\n")
    assert second + "\n" == DETAILS
    assert "  derived     nothing\n" in first
    assert "  curves      paper_vit at batch 1\n" in first
    assert first.endswith("\n  warning     the fan was off")
    assert third.startswith("bare: ")


def test_a_file_of_ones_own_is_told_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = tmp_path / "paper_operators.yaml"
    place.write_text(OPERATORS_TEXT, encoding="utf-8")
    assert latmodel_command(capsys, "profiles", str(place)).out == DETAILS


def test_long_words_are_folded(capsys: pytest.CaptureFixture[str]) -> None:
    answer = latmodel_command(capsys, "profiles", "--long")
    assert answer.status == 0
    assert max(map(len, answer.out.splitlines())) <= 96


def test_an_unknown_name_is_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    answer = latmodel_command(capsys, "profiles", "jetsun")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("latmodel: jetsun: no such file and no shipped profile ")
    assert answer.err.count("\n") == 1


def test_the_shipped_profiles_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    answer = latmodel_command(capsys, "profiles")
    assert (answer.status, answer.err) == (0, "")
    assert any(line.startswith("jetson ") for line in answer.out.splitlines())
