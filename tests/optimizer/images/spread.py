"""What every process of a test measures; as a program, one of several."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from optimizer.errors import ImagesError
from optimizer.images.batch import Batch
from optimizer.images.loading import load_images
from optimizer.images.measuring import measure_images
from optimizer.images.spreading import find_world, share
from tests.optimizer.images.folders import model

__all__ = ["measure"]


def measure(folder: Path, broken: Path) -> dict[str, Any]:
    """Logits and labels of a folder, the batches that each process saw, and an error."""
    world, vit = find_world(), model()
    seen: list[int] = []

    def look(batch: Batch) -> dict[str, torch.Tensor]:
        assert batch.labels is not None
        seen.append(batch.number)
        with torch.inference_mode():
            return {"logits": vit(batch.images), "labels": batch.labels}

    found = measure_images(load_images(folder, vit, batch=3), look, world=world)
    logits = found["logits"].tolist()
    everyone = share(world, lambda: (list(seen), logits))
    assert all(theirs == logits for _, theirs in everyone)
    said = ""
    try:
        measure_images(load_images(broken, vit, batch=3), look, world=world)
    except ImagesError as error:
        said = str(error)
    return {
        "seen": [numbers for numbers, _ in everyone],
        "logits": logits,
        "labels": found["labels"].tolist(),
        "said": said,
    }


if __name__ == "__main__":
    answer = measure(Path(sys.argv[1]), Path(sys.argv[2]))
    if find_world().first:
        print(json.dumps(answer))
