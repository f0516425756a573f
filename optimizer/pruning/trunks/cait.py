"""timm's `Cait`, whose class token meets the patches only behind the trunk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from timm.models.cait import Cait

from optimizer.pruning.trunks.beside import Beside, Nothing
from optimizer.pruning.trunks.family import Shape, TrunkFamily, shape_of
from optimizer.pruning.trunks.intermediates import Intermediates

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutCait"]


class CutCait(Intermediates, Cait):
    """A timm `Cait` of which some blocks drop tokens."""

    @property
    def prefix(self) -> int:
        """None: the class token joins behind the blocks, whatever `num_prefix_tokens` is."""
        return 0

    def enter(self, x: Tensor) -> tuple[Tensor, Beside]:
        """See `CutTrunk.enter`."""
        return self.pos_drop(self.patch_embed(x) + self.pos_embed), Nothing()

    def leave(self, x: Tensor) -> Tensor:
        """See `CutTrunk.leave`: patches first meet the class token here."""
        if self.blocks_token_only is not None:
            token = self.cls_token.expand(x.shape[0], -1, -1)
            for block in self.blocks_token_only:
                token = block(x, token)
            x = torch.cat((token, x), dim=1)
        features: Tensor = self.norm(x)
        return features

    def forward_intermediates(  # type: ignore[override]
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> Any:
        """As timm's, which asks for no prefix tokens; see `Intermediates`."""
        return super().forward_intermediates(
            x,
            indices,
            norm=norm,
            stop_early=stop_early,
            output_fmt=output_fmt,
            intermediates_only=intermediates_only,
        )


def _shape(trunk: Any) -> Shape:
    # No row of the trunk's attention is the class token's.
    return replace(shape_of(trunk), prefix=0, class_token=False)


FAMILIES = (TrunkFamily(Cait, CutCait, _shape),)
