"""Data sets by name, through timm's own factory: folders, tar files, WebDatasets and more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from timm.data.dataset_factory import create_dataset
from timm.data.readers import get_img_extensions

from optimizer.errors import ImagesError
from optimizer.images.names import require_source, timm_name

__all__ = ["Opened", "open_source"]

_VALIDATION = "validation"
"""The split that timm takes where none is named."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """A data set that timm opened.

    Attributes:
        name: in words.
        items: by place, for those that have places.
        stream: the data set, for those that only come one after another.
        count: of its images; None where it cannot tell.
        names: of its images, for messages; shape (count,) where there are places.
        order: places by name; likewise.
        classes: names of its classes, in the order of their numbers; empty where unknown.
        flat: whether it has no class folders, or one alone, so that its labels mean nothing.
        close: closes what reading opened.
    """

    name: str
    items: Any = None
    stream: Any = None
    count: int | None
    names: Sequence[str] = ()
    order: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    flat: bool = False
    close: Callable[[], object] = lambda: None


def open_source(
    source: str,
    *,
    split: str | None,
    root: str | Path | None,
    class_map: str | Path | Mapping[str, int] | None,
    mode: str,
) -> Opened:
    """Open a data set.

    Args:
        source: a folder, a .tar, or timm's name with its prefix; `wds/` goes before a folder.
        split: by its name in the data set; None for timm's own, which of a folder with a
            `val` or `validation` in it takes that.
        root: where timm keeps a data set that is neither folder nor tar.
        class_map: which number each class folder has; see `load_images`.
        mode: Pillow's, of the images.

    Raises:
        ImagesError: there is no such data set, or no image in it.
    """
    numbers = _numbers(class_map)
    named = timm_name(source)
    if named is not None:
        return _open_named(*named, split, root, numbers, mode)
    require_source(source)
    return _open_path(Path(source), split, numbers)


def _open_path(place: Path, split: str | None, class_map: dict[str, int] | None) -> Opened:
    folder = place.is_dir()
    if split is not None and not folder:
        raise ImagesError(f"split is {split!r}, and {place} is a file: leave split out")
    try:
        dataset = create_dataset(
            "", root=str(place), split=split or _VALIDATION, class_map=class_map or {}
        )
    except Exception as error:  # noqa: BLE001 (timm asserts, and readers raise anything)
        raise _unopened(place, error) from None
    reader: Any = dataset.reader
    inside = Path(reader.root) if folder else place
    if split is not None and inside == place:
        raise ImagesError(f"split is {split!r}, and {place} has no folder of that name")
    names = [str(inside / reader.filename(number)) for number in range(len(reader))]
    numbers: dict[str, int] = getattr(reader, "class_to_idx", None) or reader.class_name_to_idx
    classes = tuple(sorted(numbers, key=lambda name: numbers[name]))
    if len(classes) > 1 and {"", "."} & set(classes):
        loose = next(name for name in names if Path(name).parent == inside)
        raise ImagesError(
            f"images {inside}: {Path(loose).name} lies beside the class folders, and timm "
            "would take what lies there for a class: move it into one"
        )
    # timm sorts by the numbers in names, where two may tie; what is listed first is then up
    # to the file system.
    order = tuple(sorted(range(len(names)), key=lambda number: names[number]))
    return Opened(
        name=str(inside),
        items=reader,
        count=len(names),
        names=names,
        order=order,
        classes=classes,
        flat=len(classes) == 1 and class_map is None,
        close=partial(_close_tars, reader),
    )


def _close_tars(reader: Any) -> None:
    """Close the tar that timm's reader keeps open; it opens it again when asked."""
    state = getattr(reader, "tar_state", None)
    for one in () if state is None else (*state.children.values(), state):
        if one.tf is not None:
            one.tf.close()
            one.reset()


def _unopened(place: Path, error: Exception) -> ImagesError:
    allowed: Any = get_img_extensions
    endings = ", ".join(sorted(allowed()))
    said = " ".join(str(error).split())[:120] or type(error).__name__
    # timm says the first of a folder, and trips over the second of a tar.
    if "Found 0 images" in said or isinstance(error, ValueError):
        return ImagesError(
            f"images {place}: holds no image; timm finds files that end in {endings}, whose "
            "class folders the class map names where there is one"
        )
    return ImagesError(f"images {place}: cannot be opened ({said})")


def _open_named(
    prefix: str,
    rest: str,
    split: str | None,
    root: str | Path | None,
    class_map: dict[str, int] | None,
    mode: str,
) -> Opened:
    name, where = f"{prefix}/{rest}", root
    if prefix == "wds":  # timm's name of one is empty: it is a folder
        name, where = "wds/", rest
    options: dict[str, Any] = {} if prefix == "torch" else {"input_img_mode": mode}
    try:
        dataset: Any = create_dataset(
            name,
            root=None if where is None else str(where),
            split=split or _VALIDATION,
            class_map=class_map or {},
            **options,
        )
    except Exception as error:  # noqa: BLE001 (as above, and a library may be missing)
        said = " ".join(str(error).split())[:160] or type(error).__name__
        raise ImagesError(f"images {prefix}/{rest}: timm cannot open it ({said})") from None
    said = f"{prefix}/{rest}" if split is None else f"{prefix}/{rest} ({split})"
    classes = tuple(getattr(dataset, "classes", ()))
    if not hasattr(dataset, "__getitem__") or isinstance(dataset, Iterable):
        _not_dealt_out(dataset.reader)
        return Opened(name=said, stream=dataset, count=len(dataset) or None, classes=classes)
    items = getattr(dataset, "reader", dataset)
    count = len(items)
    return Opened(
        name=said,
        items=items,
        count=count,
        names=[f"{said}[{number}]" for number in range(count)],
        order=tuple(range(count)),
        classes=classes,
    )


def _not_dealt_out(reader: Any) -> None:
    """Let every process go through the whole stream.

    timm's readers deal out whole shards where processes have met, and to each as many images,
    some twice or not at all; we deal out batches.
    """
    for name, value in (("dist_rank", 0), ("dist_num_replicas", 1)):
        if hasattr(reader, name):
            setattr(reader, name, value)


def _numbers(given: str | Path | Mapping[str, int] | None) -> dict[str, int] | None:
    if given is None or isinstance(given, Mapping):
        return None if given is None else dict(given)
    return _read_map(Path(given))


def _read_map(path: Path) -> dict[str, int]:
    """A class folder's name a line, in the order of the numbers, as timm's `.txt` has it."""
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise ImagesError(f"class_map {path}: cannot be read ({said})") from None
    names = names[:-1] if names and not names[-1] else names
    if not names or not all(names) or len(set(names)) < len(names):
        raise ImagesError(
            f"class_map {path}: must hold the name of a class folder in each line, each once"
        )
    return {name: number for number, name in enumerate(names)}
