"""One step after another of `train_digits.py`, the same on every run."""

from __future__ import annotations

import copy
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from digits_canvases import draw_canvases, load_split
from digits_model import as_input, build_digits
from digits_stages import Course, ShownPatches, choose_patches
from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_VARIED = 1.5
"""Digits are bent more than in the test: they are few."""

_SMOOTHING = 0.05
_DECAYED = 0.05
_LONGEST = 1.0
_SEEDS = 10_000_000
"""Canvases of unlike seeds never share a stream: no run has so many steps."""


class Learner:
    """A model on its way.

    Workers are copies of the model that share its weights: each takes its share of a batch on
    one thread, which is faster than all threads at every small product, and does not depend
    on how they are scheduled.
    """

    def __init__(self, course: Course, *, seed: int, batch: int, workers: int) -> None:
        torch.manual_seed(seed)
        self.course, self.seed, self.batch, self.step = course, seed, batch, 0
        self.model: Any = build_digits()
        self.minutes = 0.0
        self._digits = load_split(held_out=False)
        self._losses: deque[float] = deque(maxlen=250)
        self._optimisers = _optimisers(self.model)
        self.workers = [self.model] + [copy.deepcopy(self.model) for _ in range(workers - 1)]
        for worker in self.workers:
            worker.patch_drop = ShownPatches()
            for mine, shared in zip(worker.parameters(), self.model.parameters(), strict=True):
                mine.data = shared.data
        self._pool = ThreadPoolExecutor(workers)

    def take_step(self) -> float:
        """Learn from a batch; returns its loss."""
        start = monotonic()
        stage = self.course.stage(self.step)
        seed = self.seed * _SEEDS + self.step
        drawn = draw_canvases(
            self._digits, self.batch, seed=seed, difficulty=stage.difficulty, varied=_VARIED
        )
        shown = choose_patches(drawn.images, stage.patches, np.random.default_rng(seed))
        shares = np.array_split(np.arange(self.batch), len(self.workers))
        jobs = [
            self._pool.submit(
                _share,
                worker,
                as_input(drawn.images[share]),
                torch.from_numpy(drawn.labels[share]),
                None if shown is None else shown[share],
                self.batch,
            )
            for worker, share in zip(self.workers, shares, strict=True)
        ]
        loss = sum(job.result() for job in jobs)
        self._gather()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _LONGEST)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = stage.rate
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        self._losses.append(loss)
        self.minutes += (monotonic() - start) / 60
        return loss

    def recent_loss(self) -> float:
        """The mean of the last steps."""
        return sum(self._losses) / max(1, len(self._losses))

    def save(self, path: Path) -> None:
        """Write all that is needed to go on."""
        kept = {
            "step": self.step,
            "seed": self.seed,
            "batch": self.batch,
            "workers": len(self.workers),
            "minutes": self.minutes,
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
        }
        partial = path.with_suffix(".partial")
        torch.save(kept, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            ValueError: it is of a run with another seed, batch or number of workers.
        """
        kept = torch.load(path, weights_only=True)
        asked = {"seed": self.seed, "batch": self.batch, "workers": len(self.workers)}
        for name, mine in asked.items():
            if kept[name] != mine:
                raise ValueError(
                    f"{path}: its run had {name} {kept[name]}, this one {mine}; "
                    f"give --{name} {kept[name]}"
                )
        self.step, self.minutes = kept["step"], kept["minutes"]
        self.model.load_state_dict(kept["model"])
        for optimiser, was in zip(self._optimisers, kept["optimisers"], strict=True):
            optimiser.load_state_dict(was)

    def _gather(self) -> None:
        """Add the workers' gradients to the model's own, in order."""
        for worker in self.workers[1:]:
            for mine, other in zip(self.model.parameters(), worker.parameters(), strict=True):
                mine.grad += other.grad
                other.grad = None


def _share(
    worker: Any, images: Tensor, labels: Tensor, shown: Tensor | None, batch: int
) -> float:
    worker.train()
    worker.patch_drop.shown = shown
    loss = cross_entropy(worker(images), labels, label_smoothing=_SMOOTHING, reduction="sum")
    torch.autograd.backward(loss / batch)
    return float(loss.detach()) / batch


def _optimisers(model: Any) -> list[torch.optim.Optimizer]:
    """Muon for the matrices within blocks, AdamW for all else."""
    matrices = [
        weight
        for name, weight in model.named_parameters()
        if name.startswith("blocks.") and weight.ndim == 2
    ]
    known = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in known]
    return [
        torch.optim.Muon(matrices, weight_decay=_DECAYED, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, weight_decay=0.0),
    ]
