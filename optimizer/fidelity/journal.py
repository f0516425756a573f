"""A journal of damage beside the table to be, so that an interrupt loses little.

JSON lines, each written as soon as it is known: first what is measured, then one reading a
line, of one batch of images, one block and one count. Whoever goes on with a journal gets
its readings in place of measuring again. A last line without its end was being written when
the process died, and is dropped; anything else that is malformed is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from latmodel.errors import LatmodelError
from latmodel.fields import Fields
from optimizer.errors import DamageError
from optimizer.images.spreading import World

__all__ = ["DamageJournal", "journal_of", "journal_path", "remove_journal"]

MAX_BYTES = 200_000_000
"""Over ten thousand images; more is refused before it is parsed."""

_Key = tuple[str, int, int]


def journal_path(out: Path) -> Path:
    """The journal of a table that is being measured into `out`.

    >>> journal_path(Path("deit.yaml")).name
    'deit.yaml.partial'
    """
    return out.with_name(f"{out.name}.partial")


def journal_of(path: Path, world: World) -> Path:
    """The journal of one process; the first has the name alone.

    >>> journal_of(Path("deit.yaml.partial"), World(2, 4)).name
    'deit.yaml.partial.2'
    """
    return path if world.first else path.with_name(f"{path.name}.{world.rank}")


def remove_journal(out: Path, world: World) -> None:
    """Remove this process's journal of a table that is written.

    Raises:
        DamageError: it cannot be removed.
    """
    path = journal_of(journal_path(out), world)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise DamageError(f"{path}: cannot remove: {error.strerror or error}") from None


class DamageJournal:
    """Readings on file: those of an interrupted run, and every new one as it is taken.

    Args:
        path: of the journal; it is begun where there is none, and else gone on with.
        session: what is measured and how, as plain values.

    Raises:
        DamageError: it is of something else, malformed, or cannot be read or written.
    """

    def __init__(self, path: Path, session: Mapping[str, object]) -> None:
        self._path = path
        self._readings: dict[_Key, tuple[float, ...]] = {}
        try:
            data = _read(path)
            whole = data[: data.rfind(b"\n") + 1]
            if whole:
                self._readings = _parse(path, whole, session)
                os.truncate(path, len(whole))
            self._file: IO[bytes] = path.open("ab" if whole else "wb", buffering=0)
            if not whole:
                self._write(session)
        except OSError as error:
            raise DamageError(f"{path}: {error.strerror or error}") from None

    def recorded(self, batch: str, block: int, count: int) -> tuple[float, ...] | None:
        """The damage of each image of a batch, if it is on file."""
        return self._readings.get((batch, block, count))

    def append(self, batch: str, block: int, count: int, damage: tuple[float, ...]) -> None:
        """Put one reading on file, at once.

        Raises:
            DamageError: the file cannot be written.
        """
        try:
            self._write({"batch": batch, "block": block, "count": count, "damage": damage})
        except OSError as error:
            raise DamageError(f"{self._path}: {error.strerror or error}") from None

    def close(self) -> None:
        """End writing; the file stays."""
        self._file.close()

    def _write(self, values: Mapping[str, object]) -> None:
        self._file.write(json.dumps(dict(values)).encode() + b"\n")


def _read(path: Path) -> bytes:
    if not path.exists():
        return b""
    if not path.is_file():
        raise DamageError(f"{path}: is no regular file: give the table another place")
    if path.stat().st_size > MAX_BYTES:
        raise DamageError(f"{path}: larger than {MAX_BYTES} bytes")
    return path.read_bytes()


def _parse(
    path: Path, whole: bytes, session: Mapping[str, object]
) -> dict[_Key, tuple[float, ...]]:
    readings: dict[_Key, tuple[float, ...]] = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            found = json.loads(line)
            if number == 1:
                _require_same(found, session)
                continue
            source = Fields(found)
            key = (source.text("batch"), source.integer("block"), source.integer("count"))
            readings[key] = source.numbers("damage", minimum=0)
            source.finish()
        except (ValueError, RecursionError, LatmodelError) as error:
            said = error if isinstance(error, (LatmodelError, DamageError)) else "no JSON"
            raise DamageError(
                f"{path}: line {number}: {said}; remove the file to begin anew"
            ) from None
    return readings


def _require_same(found: object, session: Mapping[str, object]) -> None:
    wanted = json.loads(json.dumps(dict(session)))
    if not isinstance(found, dict):
        raise DamageError("found no mapping of what was measured")
    for name in dict.fromkeys((*wanted, *found)):
        if found.get(name) != wanted.get(name):
            raise DamageError(
                f"{name} is {str(found.get(name))[:60]} in the journal of an interrupted "
                f"measurement and {str(wanted.get(name))[:60]} now"
            )
