"""Run a command so that every failure ends in one clear line and a documented status."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from latmodel.errors import LatmodelError

__all__ = ["run"]

_WRONG_USAGE = 2
_INTERRUPTED = 130


def run(
    command: click.Command,
    errors: tuple[type[Exception], ...] = (LatmodelError,),
    args: Sequence[str] | None = None,
) -> None:
    """Run `command` and exit.

    Status 0 is done, 1 an answer to act on, 2 wrong usage or a bad file, 130 interrupted.

    Args:
        command: the click command.
        errors: what is the user's to mend; its message goes to stderr.
        args: in place of the process's own.
    """
    try:
        status = command.main(
            args=list(args) if args is not None else None,
            prog_name=command.name,
            standalone_mode=False,
        )
    except click.ClickException as error:
        asked = (
            error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        )
        _say(command, f"{error.format_message()} (see {asked or command.name} --help)")
        sys.exit(_WRONG_USAGE)
    except click.exceptions.Abort:
        _say(command, "interrupted")
        sys.exit(_INTERRUPTED)
    except errors as error:
        _say(command, str(error))
        sys.exit(_WRONG_USAGE)
    sys.exit(status if isinstance(status, int) else 0)


def _say(command: click.Command, message: str) -> None:
    click.echo(f"{command.name}: {' '.join(message.split())}", err=True)
