"""timm's Qwen3-VL encoder."""

from __future__ import annotations

from timm.models.qwen3_vit import Qwen3VitClassifier, Qwen3VitEncoder

from optimizer.pruning.trunks.family import TrunkFamily
from optimizer.pruning.trunks.gridded import Gridded

__all__ = ["FAMILIES", "WRAPPERS", "CutQwen3VitEncoder"]


class CutQwen3VitEncoder(Gridded, Qwen3VitEncoder):
    """A timm `Qwen3VitEncoder` of which some blocks drop tokens."""


FAMILIES = (TrunkFamily(Qwen3VitEncoder, CutQwen3VitEncoder),)
WRAPPERS = (Qwen3VitClassifier,)
