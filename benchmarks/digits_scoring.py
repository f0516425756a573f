"""How good the trained model is, and the card that says so."""

from __future__ import annotations

import platform
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import sklearn
import timm
import torch
from digits_canvases import HELD_OUT, TRAINING, draw_canvases, load_split
from digits_model import MEAN, NAME, OPTIONS, STD, predicted

from latmodel.files import write_yaml

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from digits_learning import Learner
    from torch import nn


class Score(NamedTuple):
    """A share of right answers, in percent, with the half-width of its interval of 95 %."""

    percent: float
    within: float
    canvases: int

    @classmethod
    def of(cls, right: npt.NDArray[np.bool_], digits: npt.NDArray[np.int64]) -> Score:
        """Score answers (n,), each about the digit (n,) of that index.

        Canvases of one digit are not independent: the interval is from its digits' sums.
        """
        share = float(np.mean(right))
        sums = np.bincount(digits, weights=right - share)
        error = sqrt(float(np.sum(sums**2))) / len(right)
        return cls(100 * share, 196 * error, len(right))

    def __str__(self) -> str:
        return f"{self.percent:.1f} % (+- {self.within:.1f}) of {self.canvases} canvases"


def score(model: nn.Module, canvases: int, *, seed: int) -> Score:
    """Score a model on fresh canvases of held-out digits, at full difficulty."""
    drawn = draw_canvases(load_split(held_out=True), canvases, seed=seed)
    right = predicted(model, drawn.images).numpy() == drawn.labels
    return Score.of(right, drawn.sources[:, 0])


def write_card(weights: Path, learner: Learner, found: Score) -> None:
    """Write how weights were made, and how good they are, beside them."""
    card = {
        "format": 1,
        "what": "timm vision transformer that reads one handwritten digit in clutter",
        "data": "scikit-learn's bundled digits (UCI optical recognition of handwritten "
        "digits, CC BY 4.0), placed on canvases by benchmarks/digits_canvases.py",
        "split": f"by form: digits before {TRAINING} train, those from {HELD_OUT} on are "
        "held out",
        "model": {
            "name": NAME,
            **{k: v for k, v in OPTIONS.items() if k != "pretrained_cfg_overlay"},
        },
        "normalisation": {"mean": MEAN, "std": STD, "channels": "grey, three times"},
        "accuracy": {
            "percent": round(found.percent, 2),
            "within_percent": round(found.within, 2),
            "canvases": found.canvases,
            "on": "fresh canvases of held-out digits at full difficulty; interval of 95 %, "
            "digit by digit",
        },
        "command": _command(weights, learner, found),
        "training": {
            "seed": learner.seed,
            "steps": learner.step,
            "batch": learner.batch,
            "workers": len(learner.workers),
            "minutes": round(learner.minutes, 1),
        },
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "timm": timm.__version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    }
    write_yaml(weights.with_suffix(".yaml"), card)


def _command(weights: Path, learner: Learner, found: Score) -> str:
    """What gives these weights and this score again, defaults or none, stopped or not."""
    said = {
        "out": weights.name,
        **learner.course._asdict(),
        "batch": learner.batch,
        "seed": learner.seed,
        "workers": len(learner.workers),
        "canvases": found.canvases,
    }
    return "python benchmarks/train_digits.py " + " ".join(
        f"--{k} {v}" for k, v in said.items()
    )
