"""What a source of images may be called; asked before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from optimizer.errors import ImagesError

__all__ = ["require_source", "timm_name"]

_PREFIXES = ("hfds", "hfids", "tfds", "torch", "wds")
"""What timm's factory takes before a slash; anything else is a path."""


def timm_name(source: str) -> tuple[str, str] | None:
    """The kind of data set and its name, where timm is to find it; None for a path.

    >>> timm_name("wds/shards"), timm_name("val/images")
    (('wds', 'shards'), None)
    """
    prefix, slash, rest = source.partition("/")
    return (prefix.lower(), rest) if slash and prefix.lower() in _PREFIXES else None


def require_source(source: str) -> None:
    """Refuse a path where there is neither a folder nor a tar.

    Raises:
        ImagesError: says what there is, and what is allowed.
    """
    place = Path(source)
    if timm_name(source) or place.is_dir() or (place.is_file() and place.suffix == ".tar"):
        return
    found = "is no .tar" if place.exists() else "no such folder or .tar"
    raise ImagesError(
        f"images {place}: {found}; give a folder of images or of class folders, a .tar of one, "
        f"or timm's name with {', '.join(f'{name}/' for name in _PREFIXES)}"
    )
