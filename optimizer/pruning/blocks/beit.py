"""BEiT's block: each attention adds a bias for every pair of places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timm.models.beit import Attention, Block

from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.blocks.family import BlockFamily, Probe, probe_plain
from optimizer.pruning.blocks.mixing import added, mix
from optimizer.pruning.blocks.projecting import front_of, front_rows, project_heads
from optimizer.pruning.trail import Trail

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "CutBeitBlock"]

_PREFIX = 1  # the class token, for which the table has entries of its own


def _attend(
    attention: Any,
    x: Tensor,
    trail: Trail,
    *,
    shared: Tensor | None,
    mask: Tensor | None,
    rows: int | None,
) -> Attended:
    """Restate beit's `Attention.forward` of timm 1.0.3 to 1.0.31, for the tokens there are.

    Args:
        attention: timm's module.
        x: normalised tokens, (batch, tokens, dim).
        trail: where they came from.
        shared: a bias for every pair of these tokens, beside the module's own.
        mask: added to the logits beside any bias.
        rows: tokens at the front that ask and leave; None for all.
    """
    q, k, v = project_heads(attention, x, rows)
    bias = front_rows(shared, rows)
    if attention.relative_position_bias_table is not None:
        table = attention._get_rel_pos_bias()  # noqa: SLF001 (timm's one name for it)
        own = trail.pairs(table, prefix=_PREFIX, rows=rows)
        bias = added(own, bias)
    bias = added(bias, mask)
    mixed = mix(attention, q, k, v, bias=bias).transpose(1, 2).flatten(2)
    output = attention.proj_drop(attention.proj(mixed))
    return Attended(output, q, k, v, attention.scale, bias)


def _probe(block: Any, width: int) -> Probe:
    """As many tokens as the bias has places, since timm's own takes no other number."""
    window = block.attn.window_size
    tokens = 5 if window is None else window[0] * window[1] + _PREFIX
    return Probe(probe_plain(block, width, tokens=tokens).x, {}, {"trail": Trail()})


class CutBeitBlock(Cutting, Block):
    """beit's `Block`, with a cut between its attention and its MLP."""

    def attend(
        self,
        x: Tensor,
        *,
        trail: Trail,
        shared: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Attended]:
        """See `Cutting.attend`."""
        seen = _attend(
            self.attn, self.norm1(x), trail, shared=shared, mask=mask, rows=self.rows
        )
        return front_of(x, self.rows) + self.drop_path1(
            _scaled(self.gamma_1, seen.output)
        ), seen

    def finish(self, x: Tensor) -> Tensor:
        """See `Cutting.finish`."""
        left: Tensor = x + self.drop_path2(_scaled(self.gamma_2, self.mlp(self.norm2(x))))
        return left


def _scaled(gamma: Any, branch: Any) -> Any:
    return branch if gamma is None else gamma * branch


FAMILIES = (BlockFamily(Block, (Attention,), CutBeitBlock, _probe, follows=True, fronts=True),)
