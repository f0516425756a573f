"""Help that scrolls away is not read: each fits a terminal of 24 lines of 100 letters."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from latmodel.cli import latmodel
from tests.latmodel.cli.command import latmodel_command


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every command, so that a new one is tested by being added."""
    yield path
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))


PATHS = tuple(commands(latmodel))


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], path: tuple[str, ...], option: str
) -> None:
    answer = latmodel_command(capsys, *path, option)
    lines = answer.out.splitlines()
    assert (answer.status, answer.err) == (0, "")
    assert len(lines) <= 24, f"{len(lines)} lines"
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith(" ".join(("Usage: latmodel", *path)))


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_tells_how_to_begin(
    capsys: pytest.CaptureFixture[str], path: tuple[str, ...]
) -> None:
    """One example, whole on one line, of this very command and no other."""
    lines = latmodel_command(capsys, *path, "--help").out.splitlines()
    (example,) = (line.strip() for line in lines if "Example:" in line)
    assert example.startswith(" ".join(("Example: latmodel", *path)))
    assert lines[-1].strip() == example


def test_the_list_of_commands_says_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    """In words that are not cut off in the middle."""
    lines = latmodel_command(capsys, "--help").out.splitlines()
    listed = lines[lines.index("Commands:") + 1 :]
    for name in latmodel.commands:
        (line,) = (line for line in listed if line.split()[:1] == [name])
        assert line.endswith(".")
        assert not line.endswith("...")
