"""Which profiles a command is to measure, and which an interrupted one left unfinished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from latmodel.errors import JournalError
from latmodel.journal import journal_path, require_no_journal

__all__ = ["targets", "unfinished"]


def targets(out: Path, runtimes: Iterable[str]) -> dict[str, Path]:
    """Where the profile of each runtime goes: one as asked, several by their names.

    >>> targets(Path("here.yaml"), ["onnxruntime", "openvino"])["openvino"].name
    'here-openvino.yaml'
    """
    names = list(dict.fromkeys(runtimes))
    if len(names) == 1:
        return {names[0]: out}
    return {name: out.with_name(f"{out.stem}-{name}{out.suffix}") for name in names}


def unfinished(places: Mapping[str, Path], *, resume: bool) -> dict[str, bool]:
    """The runtimes that are still to be measured, in turn.

    Runtimes are measured one after the other, and a journal goes when its profile is
    written. So those before the first that has a journal are done, if their profile is
    there.

    Args:
        places: where the profile of each runtime goes, in the order of measuring.
        resume: whether to go on with an interrupted command.

    Returns:
        By runtime, whether it has a journal to go on with.

    Raises:
        JournalError: there is a journal and `resume` is False, or there is none and it
            is True.
    """
    journals = {name: journal_path(place) for name, place in places.items()}
    if not resume:
        for journal in journals.values():
            require_no_journal(journal)
        return dict.fromkeys(places, False)
    begun = [name for name, journal in journals.items() if journal.exists()]
    if not begun:
        looked = ", ".join(str(journal) for journal in journals.values())
        raise JournalError(f"{looked}: there is no journal to go on with; leave --resume out")
    order = list(places)
    done = {name for name in order[: order.index(begun[0])] if places[name].exists()}
    return {name: name in begun for name in order if name not in done}
