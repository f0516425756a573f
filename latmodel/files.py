"""The only place that reads and writes files: YAML without surprises, writes without halves."""

from __future__ import annotations

import gzip
import json
import os
import re
import tempfile
import zlib
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import IO, Any

import yaml

from latmodel.errors import FieldError, ProfileError

__all__ = [
    "MAX_BYTES",
    "data_folder",
    "read_json",
    "read_text",
    "read_yaml",
    "read_zipped_text",
    "require_target",
    "write_bytes",
    "write_text",
    "write_yaml",
]

MAX_BYTES = 1_000_000
"""A file that a person can review; anything larger is refused unread."""

MAX_DEPTH = 20
"""Nesting deeper than any of our formats; refused before it can exhaust the stack."""

_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"

# libyaml parses a profile about ten times faster; PyYAML may be built without it.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Parser):  # type: ignore[misc]
    """The safe loader, which keeps the last of two equal keys; this one refuses them."""

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Hashable, object]:
        keys: set[Hashable] = set()
        if isinstance(node, yaml.MappingNode):
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, str):
                    raise FieldError(f"line {key_node.start_mark.line + 1}: a key is not text")
                if key in keys:
                    raise FieldError(
                        f"line {key_node.start_mark.line + 1}: duplicate key {key!r}"
                    )
                keys.add(key)
        mapping: dict[Hashable, object] = super().construct_mapping(node, deep)
        return mapping


def data_folder() -> Path:
    """The folder of what ships: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "data"
    return installed if installed.is_dir() else here.parent / "data"


def read_text(path: str | os.PathLike[str], *, most_bytes: int = MAX_BYTES) -> str:
    """A text file of at most `most_bytes`.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: it is too large, or not UTF-8.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            return _decoded(place, file, most_bytes)
    except OSError as error:
        raise ProfileError(f"{place}: {error.strerror or error}") from None


def read_zipped_text(path: str | os.PathLike[str], *, most_bytes: int) -> str:
    """A gzipped text file of at most `most_bytes` once it is unpacked; no more is unpacked.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: it is too large, no whole gzip file, or not UTF-8.
    """
    place = Path(path)
    try:
        with gzip.open(place, "rb") as file:
            return _decoded(place, file, most_bytes)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise FieldError(f"{place}: not a whole gzip file") from None
    except OSError as error:
        raise ProfileError(f"{place}: {error.strerror or error}") from None


def _decoded(place: Path, file: IO[bytes] | gzip.GzipFile, most_bytes: int) -> str:
    data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise FieldError(f"{place}: larger than {most_bytes} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FieldError(f"{place}: not UTF-8 text (byte {error.start})") from None


def read_yaml(path: str | os.PathLike[str]) -> object:
    """Parse a YAML (or JSON) file without running anything in it.

    Refused: files over `MAX_BYTES`, text that is not UTF-8, duplicate keys, aliases (which
    let a small file grow without bound), tags, more than one document, deep nesting.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: its text is not the plain YAML described above.
    """
    place, text = Path(path), read_text(path)
    try:
        _refuse_unplain(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader, made stricter)
    except FieldError as error:
        raise FieldError(f"{place}: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        # The scanner reads ahead of the events, to the end of the line at most; where it meets
        # a limit of its own there (libyaml 0.2.6 has one), ours was exceeded before.
        wrong = _TOO_DEEP if "nesting depth" in problem else f"not valid YAML: {problem[:200]}"
        raise FieldError(f"{place}: {where}{wrong}") from None


def read_json(path: str | os.PathLike[str]) -> object:
    """Parse a JSON file; duplicate keys and files over `MAX_BYTES` are refused.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: its text is not JSON.
    """
    place, text = Path(path), read_text(path)

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            raise FieldError("duplicate key in a mapping")
        return mapping

    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise FieldError(f"{place}: not valid JSON: {error}") from None


def _refuse_unplain(text: str) -> None:
    """Walk the events, which costs no memory, before anything is built from them."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Parser):
        mark = event.start_mark
        line = mark.line + 1 if mark is not None else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise FieldError(f"line {line}: anchors and aliases are not allowed")
        if getattr(event, "tag", None) is not None:
            raise FieldError(f"line {line}: tags are not allowed")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if documents > 1:
            raise FieldError(f"line {line}: a second document; allowed is one")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise FieldError(f"line {line}: {_TOO_DEEP}")


# YAML 1.1 takes 12:30 for 750, 010 for 8 and 1_000 for 1000: numbers that a person would
# not read so. Only plain decimal numbers are numbers here; the rest stays text.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if not tag.endswith((":int", ":float"))]
    for first, forms in _Parser.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|nan)$"),
    list("-+0123456789."),
)


class _Dumper(yaml.SafeDumper):
    """Writes lists of plain numbers on one line, so that a profile stays readable."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    # Unquoted, a break or a mark that has no picture may come back as something else.
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_list(dumper: _Dumper, items: list[object]) -> yaml.Node:
    flow = all(isinstance(item, (int, float, bool)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)  # type: ignore[arg-type]


def write_yaml(path: str | os.PathLike[str], mapping: Mapping[str, object]) -> None:
    """Write a mapping as YAML in its own order, whole or not at all.

    Raises:
        ProfileError: the folder cannot be written, or the file would be too large to read.
    """
    text = yaml.dump(
        dict(mapping), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96
    )
    if len(text.encode()) > MAX_BYTES:
        raise ProfileError(
            f"{path}: would hold {len(text.encode())} bytes, of which no more than {MAX_BYTES} "
            "are read; fit fewer number formats into one profile"
        )
    write_text(path, text)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file as UTF-8, whole or not at all; see `write_bytes`.

    Raises:
        ProfileError: the place cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file atomically: a reader sees the old file or the new, never a part.

    Raises:
        ProfileError: the place cannot be written.
    """
    require_target(path)
    place = Path(os.path.realpath(path))  # a link stays a link to what is written
    try:
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:50]}.")
    except OSError as error:
        raise ProfileError(f"{path}: cannot write: {error.strerror or error}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            _to_disk(file)
        # mkstemp makes the file private; a profile is as public as its folder allows.
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(place)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ProfileError(f"{path}: cannot write: {error.strerror or error}") from None
        raise


def require_target(path: str | os.PathLike[str]) -> None:
    """Refuse a place that cannot be written, before the work whose result goes there.

    Raises:
        ProfileError: its folder is not there or may not be written, or what stands there
            is no regular file (a folder, a device, a pipe).
    """
    # os.path, unlike Path, answers False for a name that no file can have.
    folder = os.path.dirname(path) or "."  # noqa: PTH120
    if not os.path.isdir(folder):  # noqa: PTH112
        raise ProfileError(f"{path}: cannot write: there is no folder {folder}")
    if os.path.isdir(path):  # noqa: PTH112
        raise ProfileError(f"{path}: cannot write: Is a directory")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise ProfileError(f"{path}: cannot write: is no regular file")
    if os.path.islink(os.path.realpath(path)):  # noqa: PTH114
        raise ProfileError(f"{path}: cannot write: a link that leads back to itself")
    if not os.access(folder, os.W_OK):
        raise ProfileError(f"{path}: cannot write: Permission denied")


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _umask() -> int:
    # The mask can be read only by setting it; it is put back at once.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
