"""Answers of cut models on held-out canvases, and their latency beside the uncut model's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import timm
import torch
from accuracy_scoring import Point
from digits_canvases import draw_canvases, load_split
from digits_model import NAME, OPTIONS, as_input
from rich.progress import track
from timm.models import register_model

from latmodel.runtimes.devices import device_clock
from latmodel.runtimes.module_timer import ModuleTimer
from latmodel.runtimes.parts import Part
from latmodel.whole_files import placed_whole

if TYPE_CHECKING:
    from accuracy_methods import Setting
    from torch import nn

__all__ = ["Answers", "Images", "shares_of", "vit_digits"]

_BATCH = 100
_INTERRUPTED = 1.3
"""A call that took so many times its median is left out: something else took the processor."""


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Held-out canvases of several seeds.

    Attributes:
        canvases: shape (images, 56, 56).
        labels: shape (images,).
    """

    canvases: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    @classmethod
    def drawn(cls, seeds: Iterable[int], each: int) -> Images:
        """So many of each seed, of digits that training never saw."""
        digits = load_split(held_out=True)
        drawn = [draw_canvases(digits, each, seed=seed) for seed in seeds]
        return cls(
            np.concatenate([one.images for one in drawn]),
            np.concatenate([one.labels for one in drawn]),
        )


@dataclass(slots=True)
class Answers:
    """What each setting answers, kept on file so that a stopped run goes on.

    Attributes:
        model: the uncut one.
        images: that are asked.
        file: where answers are kept; None for nowhere.
        known: shape (images,), by the setting's key.
    """

    model: nn.Module
    images: Images
    file: Path | None = None
    known: dict[str, npt.NDArray[np.int8]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            with np.load(self.file, allow_pickle=False) as kept:
                found = {name: kept[name] for name in kept.files}
            if str(found.pop("of")) != self._print():
                raise SystemExit(f"{self.file}: answers of other weights or images; remove it")
            self.known.update(found)

    def _print(self) -> str:
        digest = hashlib.sha256(self.images.canvases.tobytes())
        for name, value in self.model.state_dict().items():
            digest.update(name.encode() + value.numpy().tobytes())
        return digest.hexdigest()

    def point(self, share: float, setting: Setting | None) -> Point:
        """A setting that was asked, or the uncut model, at its share of the latency."""
        key, dense = "" if setting is None else setting.key, self.known[""]
        return Point(share, self.known[key] == self.images.labels, self.known[key] == dense)

    def accuracy(self, key: str) -> float:
        """The share of right answers."""
        return float((self.known[key] == self.images.labels).mean())

    def ask(self, settings: Iterable[Setting]) -> None:
        """Run the uncut model and every setting that has not been run yet."""
        asked: dict[str, Setting | None] = {"": None, **{one.key: one for one in settings}}
        todo = {key: one for key, one in asked.items() if key not in self.known}
        for key, one in track(todo.items(), description="answers", transient=True):
            built = self.model if one is None else one.build(self.model)
            self.known[key] = answers(built, self.images)
            if self.file is not None:
                with placed_whole(self.file) as place, place.open("wb") as stream:
                    kept: dict[str, Any] = {**self.known, "of": np.array(self._print())}
                    np.savez_compressed(stream, **kept)


@register_model
def vit_digits(**options: Any) -> nn.Module:
    """The model by a name of its own, so that a runtime builds it as any of timm's."""
    model: nn.Module = timm.create_model(NAME, **{**OPTIONS, **options})
    return model


def answers(model: nn.Module, images: Images) -> npt.NDArray[np.int8]:
    """The class that the model gives each image, shape (images,)."""
    found = []
    with torch.inference_mode():
        for first in range(0, len(images.labels), _BATCH):
            batch = as_input(images.canvases[first : first + _BATCH])
            found.append(model(batch).argmax(-1).to(torch.int8).numpy())
    return np.concatenate(found)


def shares_of(
    timer: ModuleTimer, model: nn.Module, settings: Iterable[Setting], *, rounds: int
) -> dict[str, float]:
    """Each setting's latency over the uncut model's: the median of ratios within a round.

    All run in turn, in an order drawn anew each round, on one batch of noise.

    Args:
        timer: of the runtime, at its batch.
        model: the uncut one.
        settings: what is timed.
        rounds: calls of each.
    """
    batch = torch.randn(timer.workload.batch, 3, 56, 56)
    modules = {"": model, **{one.key: one.build(model) for one in settings}}
    calls = {
        key: timer.prepare(Part("model", timer.workload.tokens, module.eval(), (batch,)))
        for key, module in track(modules.items(), description=timer.runtime, transient=True)
    }
    clock, order = device_clock(batch.device), list(calls)
    taken: dict[str, list[int]] = {key: [] for key in calls}
    with torch.inference_mode():
        for turn in track(range(-2, rounds), description="timing", transient=True):
            Random(turn).shuffle(order)  # noqa: S311 (an order, no secret)
            for key in order:
                spent = clock(calls[key])
                if turn >= 0:
                    taken[key].append(spent)
    dense = taken.pop("")
    return {key: _ratio(spent, dense) for key, spent in taken.items()}


def _ratio(spent: list[int], dense: list[int]) -> float:
    usual, usual_dense = median(spent), median(dense)
    steady = [
        mine / whole
        for mine, whole in zip(spent, dense, strict=True)
        if mine < _INTERRUPTED * usual and whole < _INTERRUPTED * usual_dense
    ]
    return median(steady or [usual / usual_dense])
