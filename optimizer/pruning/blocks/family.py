"""What a block family must bring: timm's classes and their counterparts that cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from optimizer.pruning.blocks.cutting import Cutting

__all__ = ["BlockFamily", "Probe", "probe_plain"]

_TOKENS = 4  # enough that tokens, heads and batch cannot be mistaken for one another


class Probe(NamedTuple):
    """Random input on which our restatement of a block is compared with timm's.

    Attributes:
        x: (2, tokens, dim).
        timm: what timm's block takes beside it, by name.
        ours: what the block that cuts takes instead.
    """

    x: Tensor
    timm: dict[str, Any]
    ours: dict[str, Any]


class _MakeProbe(Protocol):
    def __call__(self, block: Any, width: int, /) -> Probe:
        """A probe for this block, of tokens of this width, on the CPU in float32."""
        ...


def probe_plain(_block: Any, width: int, *, tokens: int = _TOKENS) -> Probe:
    """A few tokens and nothing beside them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, tokens, width, generator=generator, device="cpu")
    return Probe(x, {}, {})


@dataclass(frozen=True, slots=True)
class BlockFamily:
    """One kind of timm block, and how to cut it.

    Attributes:
        block: timm's block class; exactly this one is recognised, no subclass.
        attentions: the classes that its `attn` may have, exactly; none where the block has
            no attention module of its own.
        cut_block: a subclass of `block` with the same weights, which cuts.
        probe: makes the input of the comparison with timm that `apply` makes.
        follows: whether blocks that drop nothing need their class swapped too once tokens
            are missing: where timm's own attention makes something for the full grid.
        fronts: whether its attention can be run for the first tokens alone, as a lossless last
            cut does.
        blind: names of scores that tell no token from another here, and why.
    """

    block: type[nn.Module]
    attentions: tuple[type[nn.Module], ...]
    cut_block: type[Cutting]
    probe: _MakeProbe = field(default=probe_plain)
    follows: bool = False
    fronts: bool = False
    blind: Mapping[str, str] = field(default_factory=dict)
