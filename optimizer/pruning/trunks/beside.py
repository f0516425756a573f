"""What stands beside the tokens on their way through the blocks, and shrinks with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optimizer.pruning.trail import Trail

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Beside", "Bias", "Nothing", "Rope", "mask_of"]


class Beside(ABC):
    """What a trunk hands to its blocks beside the tokens: a frozen value, like the trail."""

    @abstractmethod
    def follow(self, trail: Trail) -> Beside:
        """The same for the tokens that are left, of what was made for the full grid."""
        ...

    @abstractmethod
    def of_block(self, index: int, *, cutting: bool) -> dict[str, Any]:
        """What one block takes by name.

        Args:
            index: the block's, from 0.
            cutting: whether its class was swapped for one of ours; else it is timm's.
        """
        ...


@dataclass(frozen=True, slots=True)
class Nothing(Beside):
    """For blocks that take tokens only."""

    def follow(self, _trail: Trail) -> Nothing:
        """Nothing stays nothing."""
        return self

    def of_block(self, _index: int, *, cutting: bool) -> dict[str, Any]:  # noqa: ARG002
        """See `Beside.of_block`."""
        return {}


@dataclass(frozen=True, slots=True)
class Rope(Beside):
    """Rotations, the same for every block or one table for each.

    Attributes:
        table: sines and cosines of every place, as timm makes them; with a first dimension
            for blocks where `mixed`.
        mixed: whether each block has its own.
        here: of the tokens that are left; None where it is taken from the table block by
            block.
        trail: where these tokens lie; None before the first cut.
    """

    table: Any
    mixed: bool = False
    here: Tensor | None = None
    trail: Trail | None = None

    def follow(self, trail: Trail) -> Rope:
        """See `Beside.follow`."""
        if self.mixed or self.table is None:
            return replace(self, trail=trail)
        return replace(self, here=trail.rows(self.table), trail=trail)

    def of_block(self, index: int, *, cutting: bool) -> dict[str, Any]:  # noqa: ARG002
        """See `Beside.of_block`."""
        if self.mixed and self.table is not None:
            rows = self.table[index]
            return {"rope": rows if self.trail is None else self.trail.rows(rows)}
        return {"rope": self.table if self.here is None else self.here}


@dataclass(frozen=True, slots=True)
class Bias(Beside):
    """A bias for every pair of tokens that all blocks share, if there is one.

    Attributes:
        table: for every pair of places, (1, heads, tokens, tokens), or None.
        prefix: tokens at the front.
        here: of the tokens that are left.
        trail: where they lie; None before the first cut.
        name: what timm's block calls it.
    """

    table: Tensor | None
    prefix: int
    name: str
    here: Tensor | None = None
    trail: Trail | None = None

    def follow(self, trail: Trail) -> Bias:
        """See `Beside.follow`."""
        here = None if self.table is None else trail.pairs(self.table, prefix=self.prefix)
        return replace(self, here=here, trail=trail)

    def of_block(self, _index: int, *, cutting: bool) -> dict[str, Any]:
        """See `Beside.of_block`."""
        shared = self.table if self.here is None else self.here
        if cutting:
            return {"trail": self.trail or Trail(), "shared": shared}
        return {self.name: shared}


def mask_of(real: Tensor, dtype: Any) -> Tensor:
    """Minus infinity for keys that are padding: (batch, tokens) to (batch, 1, 1, tokens)."""
    mask = real.new_zeros(real.shape, dtype=dtype).masked_fill(~real, float("-inf"))
    return mask[:, None, None, :]
