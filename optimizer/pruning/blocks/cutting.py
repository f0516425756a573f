"""What every block that cuts has in common, whichever timm block it stands for."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from optimizer.errors import ScheduleError, UnsupportedModelError
from optimizer.pruning.scores import SCORES
from optimizer.pruning.selecting import order_patches, shorten

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.blocks.family import Attended
    from optimizer.pruning.cut import Cut

__all__ = ["Cutting"]


class Cutting:
    """A timm block whose class was swapped for one that cuts between attention and MLP.

    Nothing that a forward pass decides is kept on the block, so threads may share it and
    a checkpointed pass can be run again.

    Attributes:
        pruning_cut: the plan, fixed by `apply`.
        pruning_order: the patches, the first kept longest, (patches,) int64; only where
            the score is "random". A buffer, so that it follows the model to its device, and
            not persistent, so that state dicts stay as they were.
    """

    pruning_cut: Cut
    pruning_order: Tensor

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> Tensor:
        """Run the block, cutting from `before` to `after` tokens.

        Args:
            x: (batch, before, dim).
            attn_mask: refused, as timm's blocks take it by this name.
            is_causal: refused.

        Returns:
            (batch, after, dim).

        Raises:
            ScheduleError: another number of tokens came in than was planned.
            UnsupportedModelError: a mask was given.
        """
        if attn_mask is not None or is_causal:
            raise UnsupportedModelError(
                f"block {self.pruning_cut.block} drops tokens and takes no attention mask: "
                "run the model without attn_mask and is_causal, or undo(model) first"
            )
        return self.forward_and_kept(x)[0]

    @abstractmethod
    def forward_and_kept(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, with the positions kept among the patches that came in.

        Returns:
            (batch, after, dim) and (batch, kept) int64, rising.
        """
        ...

    def admit(self, x: Tensor) -> None:
        """Refuse a sequence of another length than was planned for.

        Raises:
            ScheduleError: naming block, found and planned.
        """
        cut = self.pruning_cut
        if x.shape[1] != cut.before:
            raise ScheduleError(
                f"block {cut.block}: found {x.shape[1]} tokens, planned are {cut.before}; "
                "the schedule is for one image size and no patch dropout: "
                "undo(model), then apply a schedule for this one"
            )

    def cut(self, x: Tensor, attended: Attended) -> tuple[Tensor, Tensor]:
        """Drop tokens from x by what the block's attention saw.

        Args:
            x: (batch, before, dim), after the attention's residual.
            attended: of the same tokens.

        Returns:
            (batch, after, dim) and the positions kept, (batch, kept).
        """
        plan = self.pruning_cut
        if plan.score == "random":
            return shorten(x, self.pruning_order.expand(x.shape[0], -1), plan)
        # An index has no gradient: detached, the scores keep nothing alive for backward.
        q, k, v = attended.q.detach(), attended.k.detach(), attended.v.detach()
        if callable(plan.score):
            scores = plan.score(q, k, v, plan.prefix)
        else:
            scores = SCORES[plan.score](q, k, v, attended.scale)
        return shorten(x, order_patches(scores, plan), plan)
