"""What every block that cuts has in common, whichever timm block it stands for."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from optimizer.errors import ScheduleError, UnsupportedModelError
from optimizer.pruning.scores import OVER_HEADS, SCORES
from optimizer.pruning.selecting import nothing_kept, order_patches, shorten

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.attended import Attended, OverHeads
    from optimizer.pruning.cut import Cut
    from optimizer.pruning.trail import Decision, Trail

__all__ = ["Cutting", "Decisions"]


class Decisions(list["Decision"]):
    """What the cuts of one call of one block decided: none or one.

    The caller makes it for the call and reads it afterwards, so that the block may return
    a plain tensor to whatever hooks it has.

    Args:
        trail: where the tokens that enter the block came from.
        fill: keep the states of dropped patches.
    """

    def __init__(self, trail: Trail | None = None, *, fill: bool = False) -> None:
        super().__init__()
        self.sizes = None if trail is None else trail.sizes
        self.fill = fill


class Cutting:
    """A timm block whose class was swapped for one that cuts where it can.

    That is between attention and MLP, or after the block where both run at once. Nothing
    that a forward pass decides is kept on the block, so threads may share it and a
    checkpointed pass can be run again.

    Attributes:
        pruning_cut: the plan, fixed by `apply`.
        pruning_order: the patches, the first kept longest, (patches,) int64; only where
            the score is "random". A buffer, so that it follows the model to its device, and
            not persistent, so that state dicts stay as they were.
    """

    pruning_cut: Cut
    pruning_order: Tensor

    def forward(
        self, x: Tensor, *sides: Any, decided: Decisions | None = None, **options: Any
    ) -> Tensor:
        """Run the block, cutting from `before` to `after` tokens.

        Args:
            x: (batch, before, dim).
            sides: what timm's block takes beside x, by position,
            options: or by name; only what the trunk's loop hands over, already shortened.
            decided: takes what was decided; without it, as a caller of timm's block runs
                it, nothing may stand beside x.

        Returns:
            (batch, after, dim).

        Raises:
            ScheduleError: another number of tokens came in than was planned.
            UnsupportedModelError: the block was called with a mask, or alone where it
                needs to know what its tokens stand for.
        """
        if decided is None:
            decided = Decisions()
            if any(
                given is not None and given is not False
                for given in (*sides, *options.values())
            ):
                raise UnsupportedModelError(
                    f"block {self.pruning_cut.block} drops tokens and takes no attention "
                    "mask: run the model without attn_mask and is_causal, or undo(model) "
                    "first"
                )
            if self.pruning_cut.proportional:
                raise UnsupportedModelError(
                    f"block {self.pruning_cut.block} weighs tokens by the patches that they "
                    "stand for, which only the whole model knows: run the model, or "
                    "apply(..., proportional=False)"
                )
            sides, options = (), {}
        self.admit(x)
        x, seen = self.attend(x, *sides, **options)
        if self.rows is not None:
            decided.append(nothing_kept(x))
        elif self.pruning_cut.before > self.pruning_cut.after:
            x = self.cut(x, seen, decided)
        # Its memory is what the MLP would take next, still in the cache.
        del seen
        return self.finish(x)

    @property
    def over_heads(self) -> OverHeads | None:
        """What the score makes of the attention's heads, if it reads the whole matrix."""
        cut = self.pruning_cut
        if self.rows is not None or cut.before == cut.after or callable(cut.score):
            return None
        return OVER_HEADS.get(cut.score)

    @property
    def rows(self) -> int | None:
        """Tokens at the front that alone leave the attention; None where all do."""
        return self.pruning_cut.rows

    @abstractmethod
    def attend(self, x: Tensor, *sides: Any, **options: Any) -> tuple[Tensor, Attended]:
        """The block up to where it can be cut, and what its attention saw.

        Where `rows` says so, only the first tokens ask the attention and leave it. By
        `mask` it takes what is added to the logits, (batch, 1, 1 or tokens, tokens).
        """
        ...

    @abstractmethod
    def finish(self, x: Tensor) -> Tensor:
        """The rest of the block."""
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

    def cut(self, x: Tensor, seen: Attended, decided: Decisions) -> Tensor:
        """Drop tokens from x by what the block's attention saw.

        Args:
            x: (batch, before, dim), after the attention's residual.
            seen: of the same tokens.
            decided: takes the decision.

        Returns:
            (batch, after, dim).
        """
        x, decision = shorten(
            x,
            self.order(x, seen.detached(), fill=decided.fill),
            self.pruning_cut,
            keys=_flat(seen.k.detach()) if self.pruning_cut.dropped == "merge" else None,
            sizes=decided.sizes,
            fill=decided.fill,
        )
        decided.append(decision)
        return x

    def order(self, x: Tensor, seen: Attended, *, fill: bool) -> Tensor:
        """The patches, the first kept longest, (batch, patches or kept)."""
        plan = self.pruning_cut
        if plan.score == "random":
            return self.pruning_order.expand(x.shape[0], -1)
        return order_patches(self.scores(seen), plan, every=fill or plan.dropped != "drop")

    def scores(self, seen: Attended) -> Tensor:
        """One number for each token, the highest kept longest, (batch, before)."""
        score = self.pruning_cut.score
        if callable(score):
            scores = score(seen.q, seen.k, seen.v, self.pruning_cut.prefix)
        else:
            scores = SCORES[score](seen)
        if seen.real is not None:
            scores = scores.masked_fill(~seen.real, float("-inf"))
        return scores


def _flat(heads: Tensor) -> Tensor:
    """(batch, heads, tokens, head_dim) to (batch, tokens, heads * head_dim)."""
    return heads.transpose(1, 2).flatten(2)
