"""timm's `Beit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from timm.models.beit import Beit

from optimizer.pruning.trunks.beside import Beside, Bias
from optimizer.pruning.trunks.family import TrunkFamily
from optimizer.pruning.trunks.intermediates import Intermediates

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutBeit"]


class CutBeit(Intermediates, Beit):
    """A timm `Beit` of which some blocks drop tokens."""

    def enter(self, x: Tensor) -> tuple[Tensor, Beside]:
        """See `CutTrunk.enter`."""
        x = self.patch_embed(x)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        if self.pos_embed is not None:
            x = x + self.pos_embed
        shared = None
        if self.rel_pos_bias is not None:
            shared = self.rel_pos_bias()
            # Not every timm gives it a dimension for the batch.
            shared = shared if shared.ndim == 4 else shared.unsqueeze(0)
        return self.pos_drop(x), Bias(shared, self.prefix, "shared_rel_pos_bias")

    def leave(self, x: Tensor) -> Tensor:
        """See `CutTrunk.leave`."""
        features: Tensor = self.norm(x)
        return features


FAMILIES = (TrunkFamily(Beit, CutBeit),)
