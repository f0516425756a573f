"""A journal of readings beside the profile to be, so that an interrupt loses only one.

JSON lines, each written as soon as it is known: first what is measured and how, then one
reading a line. Whoever goes on with a journal gets its readings again before any new one
is taken. A last line without its end was being written when the process died, and is
dropped; anything else that is malformed is refused.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from latmodel.errors import (
    EnvironmentMismatchError,
    FieldError,
    JournalError,
    LatmodelError,
)
from latmodel.fields import Fields
from latmodel.parts import PARTS
from latmodel.session import Session

__all__ = ["Journal", "journal_path", "remove_journal", "require_no_journal"]

PHASES = ("choose", "turn")
"""Quick readings by which counts are chosen, and readings of all of them in turn."""

MAX_BYTES = 8_000_000
MAX_LINE = 65_536
"""Over twice what the longest probe writes; more is refused before it is parsed."""

_Answers = dict[tuple[str, str, int], deque[tuple[int, ...]]]


def journal_path(out: Path) -> Path:
    """The journal of a profile that is being measured into `out`.

    >>> journal_path(Path("boards/here.yaml")).name
    'here.yaml.partial'
    """
    return out.with_name(f"{out.name}.partial")


def require_no_journal(path: Path) -> None:
    """Refuse to begin anew where an interrupted probe may go on.

    Raises:
        JournalError: there is a journal.
    """
    if path.exists() or path.is_symlink():
        raise JournalError(
            f"{path}: the journal of an interrupted probe; go on with it by --resume, or "
            "remove it"
        )


def remove_journal(path: Path) -> None:
    """Remove the journal of a probe whose profile is written.

    Raises:
        JournalError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise JournalError(f"{path}: cannot remove: {error.strerror or error}") from None


class Journal:
    """Readings on file: those of an interrupted probe, and every new one as it is taken.

    Args:
        file: open for appending; closed by `close`.
        answers: recorded samples by phase, part and count, in the order they were taken.
    """

    def __init__(self, file: IO[bytes], answers: _Answers) -> None:
        self._file = file
        self._answers = answers

    @classmethod
    def begin(cls, path: Path, session: Session) -> Journal:
        """Make a new journal.

        Raises:
            JournalError: there is one already, or the place cannot be written.
        """
        require_no_journal(path)
        with _writing(path):
            journal = cls(path.open("xb", buffering=0), {})
            journal._write(session.to_dict())
        return journal

    @classmethod
    def resume(cls, path: Path, session: Session) -> Journal:
        """Go on with the journal of an interrupted probe.

        Raises:
            JournalError: there is none, or it cannot be read or written.
            FieldError: a line is malformed; the message names the file and the line.
            EnvironmentMismatchError: it was taken of something else.
        """
        data = _read(path)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole:  # it died while the first line was written, before any reading
            path.unlink()
            return cls.begin(path, session)
        before, answers = _parse(path, whole)
        try:
            session.require_same(before)
        except EnvironmentMismatchError as error:
            raise EnvironmentMismatchError(f"{path}: {error}") from None
        with _writing(path):
            os.truncate(path, len(whole))
            return cls(path.open("ab", buffering=0), answers)

    def recorded(self, phase: str, part: str, count: int) -> tuple[int, ...] | None:
        """The next samples that the interrupted probe took so; None when there are no more."""
        queue = self._answers.get((phase, part, count))
        return queue.popleft() if queue else None

    @property
    def left(self) -> int:
        """Recorded readings that nobody asked for again."""
        return sum(len(queue) for queue in self._answers.values())

    def append(self, phase: str, part: str, count: int, samples_ns: tuple[int, ...]) -> None:
        """Put one reading on file, at once.

        Raises:
            JournalError: the file cannot be written.
        """
        values = {"phase": phase, "part": part, "count": count, "samples_ns": samples_ns}
        with _writing(self._file.name):
            self._write(values)

    def _write(self, values: Mapping[str, object]) -> None:
        # One write to an unbuffered file: what a kill leaves is whole lines and a part.
        self._file.write(json.dumps(values).encode() + b"\n")

    def close(self) -> None:
        """Close the file, which stays where it is."""
        self._file.close()


@contextmanager
def _writing(path: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(f"{path}: cannot write: {error.strerror or error}") from None


def _read(path: Path) -> bytes:
    if not path.exists():
        raise JournalError(f"{path}: there is no journal to go on with; leave --resume out")
    if not path.is_file():
        raise JournalError(f"{path}: is no regular file, so no journal; remove it")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise FieldError(f"{path}: larger than {MAX_BYTES} bytes, so no journal of ours")
    return data


def _parse(path: Path, whole: bytes) -> tuple[Session, _Answers]:
    session: Session | None = None
    answers: _Answers = {}
    for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
        try:
            values = _decode(line)
            if session is None:
                session = Session.from_fields(Fields(values, "header"))
            else:
                key, samples = _reading(Fields(values, "reading"), session.workload.tokens)
                answers.setdefault(key, deque()).append(samples)
        except LatmodelError as error:
            raise FieldError(f"{path}: line {number}: {error}") from None
    assert session is not None  # noqa: S101 (there is a line)
    return session, answers


def _decode(line: bytes) -> object:
    if len(line) > MAX_LINE:
        raise FieldError(f"longer than {MAX_LINE} bytes")

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise FieldError("duplicate key in a mapping")
        return dict(pairs)

    try:
        return json.loads(line.decode("utf-8"), object_pairs_hook=unique)
    except FieldError:
        raise
    except (ValueError, RecursionError):
        raise FieldError("not valid JSON") from None


def _reading(source: Fields, tokens: int) -> tuple[tuple[str, str, int], tuple[int, ...]]:
    key = (
        source.choice("phase", PHASES),
        source.choice("part", PARTS),
        source.integer("count", minimum=1),
    )
    if key[2] > tokens:
        raise source.refuse("count", key[2], f"at most {tokens}, the full count")
    samples = source.integers("samples_ns", minimum=1)
    if not samples:
        raise source.refuse("samples_ns", [], "one sample at least")
    source.finish()
    return key, samples
