"""timm's `Eva`: EVA, EVA-02, rope ViTs, DINOv3, PE, Sapiens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timm.models.eva import Eva

from optimizer.pruning.trunks.beside import Beside, Rope
from optimizer.pruning.trunks.family import TrunkFamily
from optimizer.pruning.trunks.intermediates import Intermediates

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutEva"]


# Ours takes `output_dict` too.
class CutEva(Intermediates, Eva):  # type: ignore[misc]
    """A timm `Eva` of which some blocks drop tokens."""

    def enter(self, x: Tensor) -> tuple[Tensor, Beside]:
        """See `CutTrunk.enter`."""
        x, rope = self._pos_embed(self.patch_embed(x))
        norm_pre = getattr(self, "norm_pre", None)  # older timm has none
        x = x if norm_pre is None else norm_pre(x)
        return x, Rope(rope, mixed=getattr(self, "rope_mixed", False))

    def leave(self, x: Tensor) -> Tensor:
        """See `CutTrunk.leave`."""
        features: Tensor = self.norm(x)
        return features


FAMILIES = (TrunkFamily(Eva, CutEva),)
