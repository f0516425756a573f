from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

from latmodel.errors import FieldError, ProfileError
from latmodel.files import (
    MAX_BYTES,
    data_folder,
    read_json,
    read_text,
    read_yaml,
    write_bytes,
    write_text,
    write_yaml,
)

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file's text, byte for byte, and give its place."""

    def writing(text: str) -> Path:
        place = tmp_path / "it.yaml"
        place.write_bytes(text.encode("utf-8", "surrogateescape"))
        return place

    return writing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: duplicate key 'a'"),
        ("a:\n  b: 1\n  b: 1\n", "line 3: duplicate key 'b'"),
        ('{"a": 1, "a": 1}', "line 1: duplicate key 'a'"),
        ("1: one\n", "line 1: a key is not text"),
        ("yes: one\n", "line 1: a key is not text"),
        ("? [a]\n: 1\n", "line 1: a key is not text"),
        ("? {a: 1}\n: 1\n", "line 1: a key is not text"),
        ("a: &x 1\n", "line 1: anchors and aliases are not allowed"),
        ("a: 1\nb: *x\n", "line 2: anchors and aliases are not allowed"),
        ("a: &x [*x]\n", "line 1: anchors and aliases are not allowed"),
        ("a: !!python/object/apply:os.system [id]\n", "line 1: tags are not allowed"),
        ("!!python/name:os.system\n", "line 1: tags are not allowed"),
        ("a: !!int '3'\n", "line 1: tags are not allowed"),
        ("a: !own 3\n", "line 1: tags are not allowed"),
        ("--- !!map\na: 3\n", "line 1: tags are not allowed"),
        ("a: !!binary aGVsbG8=\n", "line 1: tags are not allowed"),
        ("a: 1\n---\nb: 2\n", "line 2: a second document; allowed is one"),
        ("---\n---\n", "line 2: a second document; allowed is one"),
        ("[" * 21 + "]" * 21, "line 1: nested deeper than 20 levels"),
        ("[" * 900_000, "line 1: nested deeper than 20 levels"),
        ("{a: " * 21 + "1" + "}" * 21, "line 1: nested deeper than 20 levels"),
        (
            "\n".join("  " * i + f"k{i}:" for i in range(22)),
            "line 21: nested deeper than 20 levels",
        ),
        ("- " * 30 + "1", "line 1: nested deeper than 20 levels"),
        ("caf\udce9: 1\n", "not UTF-8 text (byte 3)"),
        ("\udcff\udcfea\0:\0", "not UTF-8 text (byte 0)"),
        ("x" * (MAX_BYTES + 1), "larger than 1000000 bytes"),
    ],
)
def test_yaml_that_is_not_plain_is_refused(write: Write, text: str, message: str) -> None:
    place = write(text)
    with pytest.raises(FieldError) as caught:
        read_yaml(place)
    assert str(caught.value) == f"{place}: {message}"


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2\n",
        "a: 'open\n",
        "a: b: c\n",
        "a: 1\n\tb: 2\n",
        "@: 1\n",
        "a: %\n  b\n c: 1\n]",
        "a: \0\n",
        "a: \x1b[31m\n",
        "<<: {a: 1}\n",
        "=: 1\n",
        "%YAML 9.9\n---\na: 1\n",
        "a: " + "9" * 5000,
        ": " * 900,
    ],
)
def test_broken_yaml_is_refused_in_one_line(write: Write, text: str) -> None:
    """The parser's own words differ between its versions; ours around them do not."""
    place = write(text)
    with pytest.raises(FieldError) as caught:
        read_yaml(place)
    message = str(caught.value)
    assert message.startswith(f"{place}: ")
    assert "not valid YAML: " in message or "not text" in message
    assert len(message.splitlines()) == 1
    assert len(message) < len(str(place)) + 250


def test_an_alias_bomb_is_refused_before_it_grows(write: Write) -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    place = write("\n".join(lines))
    with pytest.raises(FieldError) as caught:
        read_yaml(place)
    assert str(caught.value) == f"{place}: line 1: anchors and aliases are not allowed"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing but talk\n", None),
        ("a: 1\n", {"a": 1}),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ('{"a": [1, 2.5, "x", true, null]}', {"a": [1, 2.5, "x", True, None]}),
        ("a: 1e3\nb: no\nc: 1.0e+3\n", {"a": "1e3", "b": False, "c": 1000.0}),
        ("a: µ\n", {"a": "µ"}),
        ("#" * MAX_BYTES, None),
    ],
)
def test_plain_yaml_is_read(write: Write, text: str, value: object) -> None:
    assert read_yaml(write(text)) == value


@pytest.mark.parametrize("parser", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize("levels", [21, 100, 1_000, 1_001, 1_020, 10_000])
@pytest.mark.parametrize("opening", ["[", "{a: ", "? ", "- ", "[{a: "])
def test_text_too_deep_is_refused_alike_by_every_parser(
    write: Write, monkeypatch: pytest.MonkeyPatch, parser: str, levels: int, opening: str
) -> None:
    """Whether the parser has a limit of its own, and whatever it says of it."""
    if not hasattr(yaml, parser):
        pytest.skip("this PyYAML is built without libyaml")
    monkeypatch.setattr("latmodel.files._Parser", getattr(yaml, parser))
    place = write("a: 1\nb:\n  " + opening * levels)
    with pytest.raises(FieldError) as caught:
        read_yaml(place)
    assert str(caught.value) == f"{place}: line 3: nested deeper than 20 levels"


def test_twenty_levels_are_not_too_deep(write: Write) -> None:
    value: object = read_yaml(write("[" * 20 + "1" + "]" * 20))
    for _ in range(20):
        assert isinstance(value, list)
        (value,) = value
    assert value == 1


@pytest.mark.parametrize("text", ["12:30", "010", "0x1f", "0b11", "1_000", "+12:30:45.5"])
def test_numbers_that_a_person_would_not_read_as_such_are_text(write: Write, text: str) -> None:
    """YAML 1.1 reads 12:30 as 750 and 010 as 8: a wrong latency without a word."""
    assert read_yaml(write(f"a: {text}\n")) == {"a": text}


def test_a_file_that_is_not_there_is_an_error_with_its_path(tmp_path: Path) -> None:
    for read in (read_text, read_yaml, read_json):
        with pytest.raises(ProfileError) as caught:
            read(tmp_path / "none.yaml")
        assert str(caught.value) == f"{tmp_path / 'none.yaml'}: No such file or directory"
    with pytest.raises(ProfileError) as caught:
        read_text(tmp_path)
    assert str(caught.value) == f"{tmp_path}: Is a directory"


@pytest.mark.parametrize("text", ["", "{", "[1,]", "{'a': 1}", "[" * 100_000, "9" * 5000])
def test_broken_json_is_refused(write: Write, text: str) -> None:
    place = write(text)
    with pytest.raises(FieldError, match="not valid JSON"):
        read_json(place)


def test_json_says_duplicate_key_where_there_is_one(write: Write) -> None:
    place = write('{"a": 1, "b": {"c": 1, "c": 2}}')
    with pytest.raises(FieldError) as caught:
        read_json(place)
    assert str(caught.value) == f"{place}: not valid JSON: duplicate key in a mapping"
    assert read_json(write('{"a": [1]}')) == {"a": [1]}


def test_yaml_is_written_in_its_own_order_with_numbers_on_one_line(tmp_path: Path) -> None:
    place = tmp_path / "it.yaml"
    write_yaml(place, {"b": [1, 2.5], "a": ["no", "µ"], "c": {"z": (1, 2), "y": []}})
    assert place.read_text(encoding="utf-8") == (
        "b: [1, 2.5]\na:\n- 'no'\n- µ\nc:\n  z: [1, 2]\n  y: []\n"
    )


def test_a_list_used_twice_is_written_twice(tmp_path: Path) -> None:
    """Our own reader refuses aliases, so our writer makes none."""
    shared: list[object] = ["x", {"k": 1}]
    write_yaml(tmp_path / "it.yaml", {"a": shared, "b": shared})
    assert read_yaml(tmp_path / "it.yaml") == {"a": shared, "b": shared}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_new_file_is_as_public_as_the_mask_allows(tmp_path: Path) -> None:
    place = tmp_path / "new.yaml"
    mask = os.umask(0o027)
    try:
        write_text(place, "µ\n")
        assert os.umask(0o027) == 0o027  # put back as it was
    finally:
        os.umask(mask)
    assert place.read_bytes() == "µ\n".encode()
    assert stat.S_IMODE(place.stat().st_mode) == 0o640
    assert names_in(tmp_path) == {"new.yaml"}


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    """No line end is translated, and what is no UTF-8 is no error."""
    place = tmp_path / "it.png"
    write_bytes(place, b"\x89PNG\r\n\x1a\n")
    assert place.read_bytes() == b"\x89PNG\r\n\x1a\n"
    assert names_in(tmp_path) == {"it.png"}


def test_an_old_file_is_replaced_whole(tmp_path: Path) -> None:
    place = tmp_path / "old.yaml"
    place.write_text("old " * 1000)
    write_text(place, "new")
    assert place.read_text() == "new"
    assert names_in(tmp_path) == {"old.yaml"}


def fail(error: BaseException) -> Callable[..., NoReturn]:
    def failing(*_: object, **__: object) -> NoReturn:
        raise error

    return failing


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "fdopen", "replace", "chmod"])
@pytest.mark.parametrize("old", ["old", None])
def test_a_write_that_fails_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, old: str | None
) -> None:
    """The old file stays, byte for byte, and no temporary file is left beside it."""
    place = tmp_path / "it.yaml"
    if old is not None:
        place.write_text(old)
    before = names_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path if step in ("replace", "chmod") else os, step, fail(FULL))
        with pytest.raises(ProfileError) as caught:
            write_text(place, "new")
    assert str(caught.value) == f"{place}: cannot write: No space left on device"
    assert names_in(tmp_path) == before
    assert old is None or place.read_text() == old


def test_a_folder_that_may_not_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated, because tests may run as root, who may write anywhere."""
    monkeypatch.setattr(tempfile, "mkstemp", fail(PermissionError(13, "Permission denied")))
    with pytest.raises(ProfileError) as caught:
        write_text(tmp_path / "it.yaml", "new")
    assert str(caught.value) == f"{tmp_path / 'it.yaml'}: cannot write: Permission denied"
    assert names_in(tmp_path) == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(ProfileError, match="cannot write: Permission denied"):
            write_text(tmp_path / "it.yaml", "new")
        assert names_in(tmp_path) == set()
    finally:
        tmp_path.chmod(0o755)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    place = tmp_path / "none" / "it.yaml"
    with pytest.raises(ProfileError) as caught:
        write_text(place, "new")
    message = f"{place}: cannot write: there is no folder {place.parent}"
    assert str(caught.value) == message
    assert names_in(tmp_path) == set()


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "it").mkdir()
    with pytest.raises(ProfileError) as caught:
        write_text(tmp_path / "it", "new")
    assert str(caught.value) == f"{tmp_path / 'it'}: cannot write: Is a directory"
    assert names_in(tmp_path) == {"it"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_an_interrupted_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    place = tmp_path / "it.yaml"
    place.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail(error))
        with pytest.raises(type(error)):
            write_text(place, "new")
    assert names_in(tmp_path) == {"it.yaml"}
    assert place.read_text() == "old"


def test_text_that_utf8_cannot_hold_leaves_nothing_behind(tmp_path: Path) -> None:
    """A lone surrogate, as `os.fsdecode` makes of a file name that is not UTF-8."""
    with pytest.raises((UnicodeEncodeError, ProfileError)):
        write_text(tmp_path / "it.yaml", "\ud800")
    assert names_in(tmp_path) == set()


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    """`--out /dev/null` as root would take the device away from the whole machine."""
    place, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(place)
    link.symlink_to(place)
    for target in (place, link):
        with pytest.raises(ProfileError) as caught:
            write_text(target, "new")
        assert str(caught.value) == f"{target}: cannot write: is no regular file"
    assert stat.S_ISFIFO(place.stat().st_mode)
    assert names_in(tmp_path) == {"pipe", "link"}


def test_a_link_stays_a_link_to_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    place, link = tmp_path / "far" / "it.yaml", tmp_path / "link.yaml"
    place.write_text("old")
    link.symlink_to(place)
    write_text(link, "new")
    assert link.is_symlink()
    assert place.read_text() == "new"
    assert names_in(tmp_path / "far") == {"it.yaml"}


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "lost"
    place.symlink_to(tmp_path / "none" / "it.yaml")
    with pytest.raises(ProfileError, match="cannot write: No such file or directory"):
        write_text(place, "new")
    with pytest.raises(ProfileError, match="No such file or directory"):
        read_text(place)


def test_a_link_to_itself_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "circle"
    place.symlink_to(place)
    with pytest.raises(ProfileError):
        read_text(place)
    with pytest.raises(ProfileError):
        write_text(place, "new")


@pytest.mark.parametrize("length", [200, 255])
def test_a_name_may_be_as_long_as_the_folder_allows(tmp_path: Path, length: int) -> None:
    """The temporary file's name is no longer."""
    write_text(tmp_path / ("x" * length), "new")
    assert names_in(tmp_path) == {"x" * length}


def test_a_name_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProfileError):
        write_text(tmp_path / ("x" * 300), "new")
    with pytest.raises(ProfileError):
        write_text(tmp_path / ("x" * 300) / "it.yaml", "new")


def test_the_data_folder_holds_the_workloads() -> None:
    assert (data_folder() / "workloads.csv").is_file()


def test_a_file_too_large_to_be_read_is_not_written(tmp_path: Path) -> None:
    place = tmp_path / "it.yaml"
    with pytest.raises(ProfileError) as caught:
        write_yaml(place, {"a": "x" * MAX_BYTES})
    assert str(caught.value) == (
        f"{place}: would hold 1000004 bytes, of which no more than 1000000 are read; fit fewer "
        "number formats into one profile"
    )
    assert not place.exists()
