"""The vision transformer that reads `digits_canvases.py`, and the weights that are shipped.

    from digits_model import load_digits_model
    model = load_digits_model()

It is timm's ViT at a size that trains on a CPU within the hour: 12 blocks of width 64, and the
tokens of a full-size one, 196 patches and a class token. `timm.create_model(NAME, **OPTIONS)`
builds it as well; its `pretrained_cfg` then names the size and the normalisation that it was
trained with, so that timm's own transforms are right for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import timm
import torch
from digits_canvases import CLASSES, PATCH, SIDE

from latmodel.files import data_folder
from optimizer.pruning.picturing.weights import load_weights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

NAME = "vit_tiny_patch16_224"
MEAN = STD = 0.5
"""As timm's for this name; a grey canvas has three equal channels."""

OPTIONS: dict[str, Any] = {
    "img_size": SIDE,
    "patch_size": PATCH,
    "embed_dim": 64,
    "num_heads": 4,
    "num_classes": CLASSES,
    "pretrained_cfg_overlay": {
        "input_size": (3, SIDE, SIDE),
        "crop_pct": 1.0,
        "mean": (MEAN,) * 3,
        "std": (STD,) * 3,
        "num_classes": CLASSES,
        "url": "",
        "hf_hub_id": None,
    },
}
"""What `timm.create_model` needs beside the name. Width 64 in 4 heads of 16."""


def build_digits() -> nn.Module:
    """The model with random weights, in evaluation mode: 12 blocks, 197 tokens."""
    model: nn.Module = timm.create_model(NAME, **OPTIONS)
    return model.eval()


def shipped_weights() -> Path:
    """Where the weights are that came with the package."""
    return data_folder() / "models" / "digits_vit.safetensors"


def load_digits_model(path: str | Path | None = None) -> nn.Module:
    """The trained model, in evaluation mode.

    Args:
        path: other weights than those that are shipped.

    Raises:
        WeightsError: the file is absent, or holds something else.
    """
    model = build_digits()
    load_weights(model, path or shipped_weights())
    return model


def as_input(canvases: npt.NDArray[np.uint8]) -> Tensor:
    """What the model takes, (n, 3, 56, 56), from grey canvases (n, 56, 56)."""
    grey = torch.from_numpy(canvases).float().div_(255).sub_(MEAN).div_(STD)
    return grey[:, None].expand(-1, 3, -1, -1)


def predicted(model: nn.Module, canvases: npt.NDArray[np.uint8], batch: int = 100) -> Tensor:
    """The digit that the model sees on each canvas, (n,)."""
    with torch.inference_mode():
        parts = [canvases[i : i + batch] for i in range(0, len(canvases), batch)]
        return torch.cat([model(as_input(part)).argmax(-1) for part in parts])
