"""Help that scrolls away is not read: the everyday options on one screen, all on request."""

from __future__ import annotations

from collections import Counter

import click
import pytest

from latmodel.cli.running import run
from optimizer.cli.groups.registry import GROUPS
from optimizer.cli.optimize import optimize

EXAMPLE = "Example: optimize --budget 20ms --device-profile jetson.yaml"

OPTIONS = {option.opts[0]: option for group in GROUPS for option in group.options}


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")


def lines_of(capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        run(optimize, args=args)
    out, err = capsys.readouterr()
    assert (caught.value.code, err) == (0, "")
    return out.splitlines()


def listed(lines: list[str]) -> list[str]:
    """The options that a help text lists, in order."""
    words = (line.split() for line in lines if line.startswith("  -"))
    return [next(word for word in line if word.startswith("--")) for line in words]


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str], option: str) -> None:
    lines = lines_of(capsys, option)
    assert len(lines) <= 24, f"{len(lines)} lines"
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("Usage: optimize")


@pytest.mark.parametrize("option", ["--help", "--help-all"])
def test_help_tells_how_to_begin(capsys: pytest.CaptureFixture[str], option: str) -> None:
    lines = lines_of(capsys, option)
    assert [line.strip() for line in lines if "Example:" in line] == [EXAMPLE]
    assert lines[-1].strip() == EXAMPLE


def test_help_lists_the_everyday_options_a_line_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = lines_of(capsys, "--help")
    everyday = [name for name, option in OPTIONS.items() if option.everyday]
    assert listed(lines) == [*everyday, "--version", "--help-all", "--help"]
    start, end = lines.index("Everyday options:") + 1, len(lines) - 2
    assert len(lines[start:end]) == len(listed(lines))


def test_help_all_lists_every_option_under_its_subject(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = lines_of(capsys, "--help-all")
    assert max(map(len, lines)) <= 100
    titles = [*(group.title for group in GROUPS), "Help"]
    starts = [lines.index(f"{title}:") for title in titles]
    assert starts == sorted(starts)
    for group, start, end in zip(GROUPS, starts, starts[1:], strict=False):
        assert listed(lines[start:end]) == [option.opts[0] for option in group.options]
    assert listed(lines[starts[-1] :]) == ["--version", "--help-all", "--help"]


def test_what_rounds_are_for_is_said_of_all_that_time() -> None:
    assert "--verify, --evaluate and --export" in str(OPTIONS["--rounds"].help)


def test_every_option_says_what_it_is_and_stands_once() -> None:
    params = [param for param in optimize.params if isinstance(param, click.Option)]
    assert all(param.help for param in params)
    twice = [k for k, n in Counter(param.name for param in params).items() if n > 1]
    assert twice == []


def test_help_all_asks_for_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever stands beside it, as --help does."""
    assert lines_of(capsys, "--batch", "0", "--help-all")[-1].strip() == EXAMPLE
