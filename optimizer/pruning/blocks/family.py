"""What a block family must bring: timm's classes and their counterparts that cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from optimizer.pruning.blocks.cutting import Cutting

__all__ = ["Attend", "Attended", "BlockFamily"]


class Attended(NamedTuple):
    """What a block's attention made, and what it was made from.

    Attributes:
        output: (batch, tokens, dim), as timm's own attention returns it.
        q: queries after any norm, unscaled, (batch, heads, tokens, head_dim).
        k: keys after any norm, same shape.
        v: values, same shape.
        scale: what q k^T is multiplied by.
    """

    output: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    scale: float


class Attend(Protocol):
    """timm's attention, restated so that q, k and v are seen and computed once."""

    def __call__(self, attention: Any, x: Tensor, /) -> Attended:
        """Run the attention module on x, (batch, tokens, dim)."""
        ...


@dataclass(frozen=True, slots=True)
class BlockFamily:
    """One kind of timm block, and how to cut it.

    Attributes:
        block: timm's block class; exactly this one is recognised, no subclass.
        attention: the class its `attn` must have, exactly.
        cut_block: a subclass of `block` with the same weights, which cuts.
        attend: restates `attention`; `apply` compares the two on every block it cuts.
    """

    block: type[nn.Module]
    attention: type[nn.Module]
    cut_block: type[Cutting]
    attend: Attend
