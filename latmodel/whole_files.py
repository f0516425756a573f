"""Files that other libraries write: put in place whole and checked, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from latmodel.errors import ProfileError
from latmodel.files import require_target

__all__ = ["placed_whole"]


@contextmanager
def placed_whole(path: str | os.PathLike[str], *, beside: Sequence[str] = ()) -> Iterator[Path]:
    """A file of the same name in a folder of its own, which is moved to `path` at the end.

    What leaves the context by an error leaves no trace, and a file that stood at `path`
    stays. Moving is one step for each file, those beside it first.

    Args:
        path: where the file is to stand.
        beside: endings of files that may come with it, as ".data" for `path` + ".data";
            anything else in the folder goes with it.

    Yields:
        The file to write; its folder is there, on the same disk as `path`.

    Raises:
        ProfileError: the place cannot be written, or no file was.
    """
    for ending in ("", *beside):
        require_target(f"{os.fspath(path)}{ending}")
    place = Path(os.path.realpath(path))  # a link stays a link to what is written
    try:
        # Windows removes no file that a runtime still maps into memory.
        folder = tempfile.TemporaryDirectory(
            dir=place.parent, prefix=f".{place.name[:50]}.", ignore_cleanup_errors=True
        )
    except OSError as error:
        raise ProfileError(f"{path}: cannot write: {error.strerror or error}") from None
    with folder as name:
        inside = Path(name) / place.name
        yield inside
        try:
            for ending in (*beside, ""):
                made = inside.with_name(inside.name + ending)
                if not ending or made.exists():
                    made.replace(place.with_name(place.name + ending))
        except OSError as error:
            raise ProfileError(f"{path}: cannot write: {error.strerror or error}") from None
