"""One reading per board and model: the NetsPresso device matrix."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["GIGA_MACS", "NETSPRESSO", "board_ns"]

NETSPRESSO = "NetsPresso device matrix, commit cdefe12"

GIGA_MACS = {"ViT-tiny": 1.26, "EfficientFormer-l1": 1.3, "MovileViT-s": 2.03}
"""Multiply-adds of one image at the size that was read; as the models' papers and timm say.
The name of MobileViT is spelt as in the file."""


def board_ns(folder: Path, device: str, model: str, dtype: str = "FP16") -> float:
    """What one model took on one board, in ns.

    Raises:
        KeyError: there is no such row.
    """
    path = folder / "edge_boards" / "whole_model_latency.csv"
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["device"], row["model"], row["dtype"]) == (device, model, dtype):
                return float(row["latency_ms"]) * 1e6
    raise KeyError((device, model, dtype))
