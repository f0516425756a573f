"""timm's `VisionTransformerRelPos`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from timm.models.vision_transformer_relpos import VisionTransformerRelPos

from optimizer.pruning.trunks.beside import Beside, Bias
from optimizer.pruning.trunks.family import TrunkFamily
from optimizer.pruning.trunks.intermediates import Intermediates

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutVisionTransformerRelPos"]


class CutVisionTransformerRelPos(Intermediates, VisionTransformerRelPos):
    """A timm `VisionTransformerRelPos` of which some blocks drop tokens."""

    def enter(self, x: Tensor) -> tuple[Tensor, Beside]:
        """See `CutTrunk.enter`."""
        x = self.patch_embed(x)
        if self.cls_token is not None:
            x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        shared = None if self.shared_rel_pos is None else self.shared_rel_pos.get_bias()
        return x, Bias(shared, self.prefix, "shared_rel_pos")

    def leave(self, x: Tensor) -> Tensor:
        """See `CutTrunk.leave`."""
        features: Tensor = self.norm(x)
        return features


FAMILIES = (TrunkFamily(VisionTransformerRelPos, CutVisionTransformerRelPos),)
