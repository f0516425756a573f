"""timm's DeepSeek vision encoder."""

from __future__ import annotations

from timm.models.deepseek_vit import DeepseekVitClassifier, DeepseekVitEncoder

from optimizer.pruning.trunks.family import TrunkFamily
from optimizer.pruning.trunks.gridded import Gridded

__all__ = ["FAMILIES", "WRAPPERS", "CutDeepseekVitEncoder"]


class CutDeepseekVitEncoder(Gridded, DeepseekVitEncoder):
    """A timm `DeepseekVitEncoder` of which some blocks drop tokens."""


FAMILIES = (TrunkFamily(DeepseekVitEncoder, CutDeepseekVitEncoder),)
WRAPPERS = (DeepseekVitClassifier,)
