from __future__ import annotations

from pathlib import Path

import pytest

from latmodel.errors import JournalError
from latmodel.resuming import targets, unfinished

NAMES = ("a", "b", "c")


def test_one_runtime_is_written_as_asked() -> None:
    out = Path("folder/here.yaml")
    assert targets(out, ["a"]) == targets(out, ["a", "a"]) == {"a": out}


def test_several_runtimes_are_written_by_their_names() -> None:
    """In the order asked, each once."""
    places = targets(Path("folder/my.board.yaml"), ["b", "a", "b"])
    assert list(places.items()) == [
        ("b", Path("folder/my.board-b.yaml")),
        ("a", Path("folder/my.board-a.yaml")),
    ]


@pytest.mark.parametrize(
    ("there", "todo"),
    [
        (["a.yaml.partial"], {"a": True, "b": False, "c": False}),
        (["a.yaml", "b.yaml.partial"], {"b": True, "c": False}),
        # It died after the profile was written and before the journal was removed.
        (["a.yaml", "a.yaml.partial"], {"a": True, "b": False, "c": False}),
        # An older profile behind the first journal is measured anew.
        (["a.yaml", "b.yaml.partial", "c.yaml"], {"b": True, "c": False}),
        # What should have been done is not there.
        (["b.yaml.partial"], {"a": False, "b": True, "c": False}),
        (["a.yaml.partial", "c.yaml.partial"], {"a": True, "b": False, "c": True}),
    ],
)
def test_those_before_the_first_journal_are_done(
    tmp_path: Path, there: list[str], todo: dict[str, bool]
) -> None:
    for name in there:
        (tmp_path / name).touch()
    places = {name: tmp_path / f"{name}.yaml" for name in NAMES}
    found = unfinished(places, resume=True)
    assert list(found.items()) == list(todo.items())


def test_without_resuming_all_are_measured(tmp_path: Path) -> None:
    places = {name: tmp_path / f"{name}.yaml" for name in NAMES}
    places["a"].touch()
    assert unfinished(places, resume=False) == dict.fromkeys(NAMES, False)


def test_a_journal_in_the_way_is_refused(tmp_path: Path) -> None:
    places = {name: tmp_path / f"{name}.yaml" for name in NAMES}
    journal = tmp_path / "c.yaml.partial"
    journal.touch()
    with pytest.raises(JournalError) as caught:
        unfinished(places, resume=False)
    assert str(caught.value) == (
        f"{journal}: the journal of an interrupted probe; go on with it by --resume, or "
        "remove it"
    )


def test_without_a_journal_nothing_can_be_resumed(tmp_path: Path) -> None:
    places = {name: tmp_path / f"{name}.yaml" for name in ("a", "b")}
    with pytest.raises(JournalError) as caught:
        unfinished(places, resume=True)
    assert str(caught.value) == (
        f"{places['a']}.partial, {places['b']}.partial: there is no journal to go on with; "
        "leave --resume out"
    )
