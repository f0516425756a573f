"""timm's Gemma 4 encoder, whose pooler needs the dense grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from timm.models.gemma4_vit import Gemma4VitClassifier, Gemma4VitEncoder

from optimizer.pruning.trunks.beside import Beside, mask_of
from optimizer.pruning.trunks.family import Shape, TrunkFamily
from optimizer.pruning.trunks.padded import refuse_padded, still_real
from optimizer.pruning.trunks.walking import CutTrunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from optimizer.pruning.trail import Trail

__all__ = ["FAMILIES", "WRAPPERS", "CutGemma4VitEncoder"]


@dataclass(frozen=True, slots=True)
class _Turns(Beside):
    """Rotations of every place, (batch, places, head_dim), and which are no padding."""

    cos: Tensor
    sin: Tensor
    real: Tensor | None
    here: tuple[Tensor, Tensor, Tensor | None] | None = None

    def follow(self, trail: Trail) -> _Turns:
        """See `Beside.follow`."""
        cos, sin = (trail.rows(turn.unsqueeze(1)).squeeze(1) for turn in (self.cos, self.sin))
        return replace(self, here=(cos, sin, still_real(self.real, trail)))

    def of_block(self, _index: int, *, cutting: bool) -> dict[str, Any]:
        """See `Beside.of_block`."""
        cos, sin, real = self.here or (self.cos, self.sin, self.real)
        sides: dict[str, Any] = {"rope_cos": cos, "rope_sin": sin}
        if real is not None:
            sides["mask" if cutting else "attn_mask"] = mask_of(real, cos.dtype)
            if cutting:
                sides["real"] = real
        return sides


class CutGemma4VitEncoder(CutTrunk, Gemma4VitEncoder):
    """A timm `Gemma4VitEncoder` of which some blocks drop tokens.

    What leaves the blocks is dense again, for the pooler and as an intermediate.
    """

    restores: ClassVar[bool] = True

    def forward_features(self, *args: Any, **options: Any) -> Tensor:
        """Timm's own, which ends in `_encode`."""
        features: Tensor = Gemma4VitEncoder.forward_features(self, *args, **options)
        return features

    def enter(self, x: Any) -> tuple[Tensor, Beside]:
        """See `CutTrunk.enter`."""
        tokens, places, padding = self.patch_embed(x)
        return tokens, self._beside(tokens, places, padding)

    def leave(self, x: Tensor) -> Tensor:
        """See `CutTrunk.leave`."""
        return x

    def sizes_at_start(self, beside: Beside) -> Tensor | None:
        """Padding stands for no patch."""
        real = beside.real if isinstance(beside, _Turns) else None
        return None if real is None else real.float()

    def _beside(self, x: Tensor, places: Tensor, padding: Tensor | None) -> _Turns:
        if padding is not None:
            refuse_padded(self.blocks)
        cos, sin = self.rotary_emb(x, places)
        return _Turns(cos, sin, None if padding is None else ~padding)

    def _encode(
        self,
        x: Tensor,
        position_ids: Tensor,
        padding_positions: Tensor | None,
        block_callback: Callable[[int, Tensor], None] | None = None,
        max_block_index: int | None = None,
    ) -> Tensor:
        """As timm's: the tokens behind the last block, in order."""
        beside = self._beside(x, position_ids, padding_positions)
        stop = None if max_block_index is None else max_block_index + 1
        for index, walk in enumerate(self.steps(x, beside, fill=True, stop=stop)):
            x = walk.dense
            if block_callback is not None:
                block_callback(index, x)
        return x


def _shape(_trunk: Any) -> Shape:
    # It takes images of any size.
    return Shape(None, prefix=0, class_token=False)


FAMILIES = (TrunkFamily(Gemma4VitEncoder, CutGemma4VitEncoder, _shape),)
WRAPPERS = (Gemma4VitClassifier,)
