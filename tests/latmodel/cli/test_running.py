from __future__ import annotations

import re
import sys

import click
import pytest

from latmodel import cli
from latmodel.cli.running import run
from latmodel.errors import ProfileError
from tests.latmodel.cli.command import latmodel_command


def ended(command: click.Command, args: tuple[str, ...] = ()) -> object:
    with pytest.raises(SystemExit) as caught:
        run(command, args=args)
    return caught.value.code


def command(raising: BaseException | None = None, answer: object = None) -> click.Command:
    @click.command(name="it")
    def it() -> object:
        if raising is not None:
            raise raising
        return answer

    return it


def test_done_is_0() -> None:
    assert ended(command()) == 0
    assert ended(command(answer="words")) == 0


@pytest.mark.parametrize("status", [0, 1, 3])
def test_a_command_may_choose_its_status(status: int) -> None:
    assert ended(command(answer=status)) == status


def test_an_error_of_ours_is_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(command(ProfileError("here.yaml:\n  broken"))) == 2
    assert capsys.readouterr() == ("", "it: here.yaml: broken\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.exceptions.Abort()])
def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str], error: BaseException) -> None:
    assert ended(command(error)) == 130
    said = capsys.readouterr()
    # click ends the line that the terminal's ^C stands on.
    assert (said.out, said.err.lstrip("\n")) == ("", "it: interrupted\n")


def test_a_bug_is_not_hidden() -> None:
    """What is not the user's to mend keeps its traceback."""
    with pytest.raises(ZeroDivisionError):
        run(command(ZeroDivisionError()), args=())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("--nonsense",), "No such option"),
        (("predict",), "Missing option '--device-profile'"),
        (("predict", "--device-profile"), "requires an argument"),
        (("predict", "--device-profile", "jetson", "--batch", "0"), "0 is not in the range"),
        (("predict", "--device-profile", "jetson", "--batch", "two"), "'two' is not a valid"),
        (("predict", "--device-profile", "jetson", "--dtype", "int8"), "'int8' is not one of"),
        (("predict", "--device-profile", "jetson", "--tokens", "1e3"), "'1e3' is not a valid"),
        (("predict", "--device-profile", "jetson", "more"), "unexpected extra argument"),
        (("plot",), "Missing argument 'PROFILE'"),
        (("plot", "jetson", "--edges", "13"), "13 is not in the range"),
        (("plot", "jetson", "--threshold", "0"), "0.0 is not in the range"),
        (("plot", "jetson", "--dtype", "int8"), "'int8' is not one of"),
        (("plot", "jetson", "more"), "unexpected extra argument"),
        (("probe",), "Missing option '--out'"),
        (("probe", "--out", "x.yaml", "--max-probes", "1"), "1 is not in the range"),
        (("probe", "--out", "x.yaml", "--max-probes", "many"), "'many' is not a valid"),
        (("profiles", "--short"), "No such option"),
    ],
)
def test_wrong_usage_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], words: str
) -> None:
    answer = latmodel_command(capsys, *args)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("latmodel: ")
    assert re.search(rf" \(see latmodel( {args[0]})? --help\)\n$", answer.err)
    assert answer.err.count("\n") == 1
    assert words.lower() in answer.err.lower()


@pytest.mark.parametrize("args", [(), ("plot",), ("predict",), ("probe",), ("profiles",)])
def test_help_is_help(capsys: pytest.CaptureFixture[str], args: tuple[str, ...]) -> None:
    answer = latmodel_command(capsys, *args, "--help")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("Usage: latmodel")
    assert "Example: latmodel" in answer.out


def test_nothing_asked_is_answered_by_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert latmodel_command(capsys) == latmodel_command(capsys, "--help")


def test_ctrl_c_in_a_command_is_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> tuple[str, ...]:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["latmodel.cli.profiles"], "shipped_profiles", interrupted)
    answer = latmodel_command(capsys, "profiles")
    assert (answer.status, answer.out) == (130, "")
    assert answer.err.lstrip("\n") == "latmodel: interrupted\n"


def test_main_reads_the_process_own_arguments(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["latmodel", "nonsense"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "latmodel: No such command 'nonsense'. (see latmodel --help)\n"
    )
