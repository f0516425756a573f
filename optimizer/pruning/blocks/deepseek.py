"""DeepSeek's block: pre-norm, rotating attention, no LayerScale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timm.models.deepseek_vit import DeepseekVitBlock

from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.eva import ATTENTIONS, attend_rotated, probe_rotated
from optimizer.pruning.blocks.family import BlockFamily

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.attended import Attended

__all__ = ["FAMILIES", "CutDeepseekVitBlock"]


class CutDeepseekVitBlock(Cutting, DeepseekVitBlock):
    """timm's `DeepseekVitBlock`, with a cut between its attention and its MLP."""

    def attend(
        self, x: Tensor, *, rope: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = attend_rotated(
            self.attn, self.norm1(x), rope=rope, mask=mask, over_heads=self.over_heads
        )
        return x + self.drop_path1(seen.output), seen

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path2(self.mlp(self.norm2(x)))
        return left


FAMILIES = (BlockFamily(DeepseekVitBlock, ATTENTIONS, CutDeepseekVitBlock, probe_rotated),)
