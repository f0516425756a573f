"""Trunks whose features are a grid: Qwen3-VL's and DeepSeek's, where it is made dense again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from optimizer.pruning.trunks.beside import Beside, Rope
from optimizer.pruning.trunks.intermediates import Intermediates

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.trunks.walking import Walk

__all__ = ["Gridded"]


class Gridded(Intermediates):
    """A trunk that returns (batch, rows, columns, dim), whatever it drops on the way.

    Its head merges neighbours, so each place must hold something: see
    `optimizer.pruning.trunks.restoring.restore`.
    """

    restores: ClassVar[bool] = True
    _pos_embed: Any

    def enter(self, x: Tensor) -> tuple[Tensor, Beside]:
        """See `CutTrunk.enter`."""
        x, rope = self._pos_embed(self.patch_embed(x))
        return x, Rope(rope)

    def leave(self, x: Tensor) -> Tensor:
        """See `CutTrunk.leave`."""
        return self.norm_of(x, wanted=True)

    def features_of(self, walk: Walk, x: Tensor) -> Tensor:
        """See `CutTrunk.features_of`."""
        tokens = self.leave(walk.dense)
        return tokens.reshape(len(tokens), *self.grid_of(x), -1)
