"""Weights from a file that nobody needs to trust."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from optimizer.errors import WeightsError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor, nn

__all__ = ["classes_of", "load_weights", "place_weights", "read_weights"]

_WITHIN = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Where a training script's checkpoint holds the weights; the first that is there."""

_WRAPPED = ("_orig_mod.", "module.")
"""What torch.compile and DataParallel put before each name."""


def load_weights(model: nn.Module, path: str | Path) -> tuple[str, ...]:
    """Load weights by timm's own names into a model, in place, all of them or none.

    A file of torch's is read as weights only: nothing in it is run. (timm's own
    `load_checkpoint` does so as well from some 1.0 on; earlier it ran what it read.)

    Args:
        model: a timm model.
        path: `.safetensors`, or what `torch.save` wrote: a state dict, or a checkpoint that
            holds one. Its classifier may have another number of classes, or none.

    Returns:
        The classifier's names that were left as they are, because the file's do not fit.

    Raises:
        WeightsError: the file cannot be read, holds more than weights, or those of another
            model. The model is unchanged.
    """
    return place_weights(model, read_weights(path), Path(path))


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a file, by name; see `load_weights`.

    Raises:
        WeightsError: the file cannot be read, or holds more than weights.
    """
    place = Path(path)
    return _unwrapped(_read(place), place)


def classes_of(model: nn.Module, found: dict[str, Tensor]) -> int:
    """Classes that the weights are for, by the size of their classifier; 0 for none.

    Args:
        model: of the same architecture, with any number of classes.
        found: as `read_weights` gives them.
    """
    heads = (found.get(f"{name}weight") for name in _head_names(model))
    return next((int(head.shape[0]) for head in heads if head is not None), 0)


def place_weights(model: nn.Module, found: dict[str, Tensor], place: Path) -> tuple[str, ...]:
    """Put into a model, in place, what was read from a file; see `load_weights`.

    Raises:
        WeightsError: they are those of another model, which is then unchanged.
    """
    wanted: dict[str, Tensor] = model.state_dict()
    head = _head_names(model)
    fitting = {k: v for k, v in found.items() if k in wanted and v.shape == wanted[k].shape}
    left = tuple(k for k in wanted if k not in fitting and k.startswith(head))
    absent = [k for k in wanted if k not in fitting and k not in left]
    unknown = [k for k in found if k not in wanted and not k.startswith(head)]
    for names, what in ((absent, "lacks"), (unknown, "holds")):
        if names:
            _refuse(place, names, what, found, wanted)
    model.load_state_dict(fitting, strict=False)
    return left


def _refuse(
    place: Path,
    names: list[str],
    what: str,
    found: dict[str, Tensor],
    wanted: dict[str, Tensor],
) -> None:
    name = names[0]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    if name in found and name in wanted:
        shapes = f"{tuple(found[name].shape)}, this model's is {tuple(wanted[name].shape)}"
        said = f"its {name!r} has shape {shapes}{more}"
    else:
        said = f"it {what} {name!r}{more}"
    raise WeightsError(
        f"{place}: weights of another model: {said}; give those of the same timm architecture"
    )


def _head_names(model: Any) -> tuple[str, ...]:
    """What the classifier's parameters start with."""
    named = (getattr(model, "pretrained_cfg", None) or {}).get("classifier") or ()
    names = (named,) if isinstance(named, str) else tuple(named)
    return tuple(f"{name}." for name in names)


def _read(place: Path) -> object:
    if not place.is_file():
        raise WeightsError(f"{place}: no such checkpoint file")
    try:
        if place.suffix == ".safetensors":
            from safetensors.torch import load_file  # noqa: PLC0415 (timm brings it)

            return load_file(place)
        with _allowing_arguments():
            return torch.load(place, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 (a hostile file makes a reader raise anything)
        said = (str(error) or type(error).__name__).split("\n", maxsplit=1)[0][:120]
        raise WeightsError(
            f"{place}: not a file of weights alone ({said}); allowed are safetensors and "
            "state dicts written by torch.save"
        ) from None


def _allowing_arguments() -> AbstractContextManager[object]:
    """What timm's training script saves: its arguments, a plain record."""
    allow = getattr(torch.serialization, "safe_globals", None)  # since torch 2.5
    return nullcontext() if allow is None else allow([argparse.Namespace])


def _unwrapped(found: object, place: Path) -> dict[str, Tensor]:
    if isinstance(found, dict):
        inner = (found[name] for name in _WITHIN if isinstance(found.get(name), dict))
        found = next(inner, found)
    if (
        not isinstance(found, dict)
        or not found
        or not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in found.items())
    ):
        raise WeightsError(
            f"{place}: holds no state dict: expected names with tensors, at the top or under "
            f"{', '.join(_WITHIN)}"
        )
    return {_plain(name): weight for name, weight in found.items()}


def _plain(name: str) -> str:
    while name.startswith(_WRAPPED):
        name = name.split(".", maxsplit=1)[1]
    return name
