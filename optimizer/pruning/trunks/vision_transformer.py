"""timm's `VisionTransformer`, plain, distilled or on a convolutional stem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer

from optimizer.pruning.trunks.beside import Beside, Nothing
from optimizer.pruning.trunks.family import TrunkFamily
from optimizer.pruning.trunks.intermediates import Intermediates

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutVisionTransformer", "CutVisionTransformerDistilled"]


class _Plain(Intermediates):
    norm: Any

    def enter(self, x: Tensor) -> tuple[Tensor, Beside]:
        """See `CutTrunk.enter`."""
        x = self._pos_embed(self.patch_embed(x))  # type: ignore[attr-defined]
        return self.norm_pre(self.patch_drop(x)), Nothing()  # type: ignore[attr-defined]

    def leave(self, x: Tensor) -> Tensor:
        """See `CutTrunk.leave`."""
        features: Tensor = self.norm(x)
        return features


class CutVisionTransformer(_Plain, VisionTransformer):
    """A timm `VisionTransformer` of which some blocks drop tokens."""


class CutVisionTransformerDistilled(_Plain, VisionTransformerDistilled):
    """A timm `VisionTransformerDistilled` of which some blocks drop tokens."""


FAMILIES = (
    TrunkFamily(VisionTransformer, CutVisionTransformer),
    TrunkFamily(VisionTransformerDistilled, CutVisionTransformerDistilled),
)
