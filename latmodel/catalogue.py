"""Find device profiles: a file by its path, a shipped one by its name."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from latmodel.errors import LatmodelError, ProfileError, UnknownProfileError
from latmodel.fields import Fields
from latmodel.files import data_folder, read_yaml, write_yaml
from latmodel.profile import DeviceProfile

__all__ = ["read_profile", "shipped_profiles", "write_profile"]

_ALIASES = {"jetsonagxorin": "jetson"}
"""Other names of shipped profiles, in letters and digits alone."""


def shipped_profiles() -> tuple[str, ...]:
    """The names of the shipped profiles, in alphabetical order."""
    return tuple(sorted(path.stem for path in data_folder().glob("*.yaml")))


def read_profile(name_or_path: str | Path) -> DeviceProfile:
    """Read a device profile.

    A path that exists is read. Otherwise a bare name, with or without `.yaml`, is looked
    up among the shipped profiles; case and punctuation do not matter, so that `RTX-3090`
    is `rtx3090`.

    Raises:
        UnknownProfileError: neither a file nor a shipped profile; names the near ones.
        ProfileError: the file cannot be read.
        FieldError: the file is no profile; the message starts with the path of the field.

    >>> read_profile("jetson").name
    'jetson'
    """
    path = Path(name_or_path)
    # os.path, unlike Path, answers False for a name that no file can have.
    if not os.path.exists(path) or (os.path.isdir(path) and _name(path)):  # noqa: PTH110, PTH112
        path = _shipped(path)
    if os.path.isdir(path):  # noqa: PTH112
        raise ProfileError(f"{path}: is a folder; a device profile is a YAML file")
    mapping = read_yaml(path)
    try:
        return DeviceProfile.from_fields(Fields(mapping), path.stem)
    except LatmodelError as error:
        raise type(error)(f"{path}: {error}") from None


def _shipped(asked: Path) -> Path:
    known, name = shipped_profiles(), _name(asked)
    if name is not None:
        return data_folder() / f"{name}.yaml"
    near = difflib.get_close_matches(asked.stem, known, n=3, cutoff=0.4) or known
    raise UnknownProfileError(
        f"{asked}: no such file and no shipped profile of that name; shipped are "
        f"{', '.join(near)}; measure this machine with: latmodel probe --out here.yaml"
    )


def _name(asked: Path) -> str | None:
    """The shipped profile that a bare name means, with or without `.yaml`."""
    if asked.parent != Path():
        return None
    known = {_letters(name): name for name in shipped_profiles()}
    letters = _letters(asked.stem if asked.suffix.lower() == ".yaml" else asked.name)
    return known.get(letters) or known.get(_ALIASES.get(letters, ""))


def _letters(name: str) -> str:
    """A name's letters and digits, in small letters."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def write_profile(path: str | Path, profile: DeviceProfile) -> None:
    """Write a profile as YAML, whole or not at all.

    Raises:
        ProfileError: the folder cannot be written.
    """
    write_yaml(path, profile.to_dict())
