"""Run the command as a user does, in this process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from latmodel.cli import latmodel
from latmodel.cli.running import run

__all__ = ["Answer", "latmodel_command"]


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    status: int
    out: str
    err: str


def latmodel_command(capsys: pytest.CaptureFixture[str], *args: str) -> Answer:
    """Run `latmodel` with these arguments."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        run(latmodel, args=args)
    said = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return Answer(caught.value.code, said.out, said.err)
