"""The loop over the blocks of a cut model, which threads what the cuts decided."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from torch.utils.checkpoint import checkpoint

from latmodel.architectures import reads_prefix_only
from optimizer.errors import UnsupportedModelError
from optimizer.pruning.blocks.cutting import Cutting, Decisions
from optimizer.pruning.trail import Decision, Trail
from optimizer.pruning.trunks.restoring import restore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from optimizer.pruning.trunks.beside import Beside

__all__ = ["CutTrunk", "Walk"]


@dataclass(frozen=True, slots=True)
class Walk:
    """One forward pass through the blocks, up to some block.

    Attributes:
        x: the tokens that left that block, (batch, tokens, dim).
        decisions: of the cuts on the way, in order.
        trail: where the tokens lie.
        prefix: tokens at the front.
    """

    x: Tensor
    decisions: tuple[Decision, ...]
    trail: Trail
    prefix: int

    @property
    def dense(self) -> Tensor:
        """The tokens with every patch in its place again, (batch, full tokens, dim)."""
        return restore(self.x, self.decisions, prefix=self.prefix, averaged=self.trail.averaged)


class CutTrunk:
    """A timm trunk of which some blocks drop tokens.

    Everything that a pass decides is a local variable of its loop, so threads may share the
    model; and each block is called once with what it needs, so it may be run again by a
    checkpoint.
    """

    blocks: Any
    grad_checkpointing: bool
    restores: ClassVar[bool] = False
    """Whether features are laid out as a dense grid, so that every place is filled again."""

    @abstractmethod
    def enter(self, x: Any) -> tuple[Tensor, Beside]:
        """What timm does before the blocks: the tokens, and what goes beside them."""
        ...

    @abstractmethod
    def leave(self, x: Tensor) -> Tensor:
        """What timm does after the blocks to get features."""
        ...

    @property
    def prefix(self) -> int:
        """Tokens at the front of the blocks' sequence that are no patches."""
        return int(getattr(self, "num_prefix_tokens", 0))

    def forward_features(
        self, x: Any, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> Any:
        """As timm's, of the tokens that are left.

        Raises:
            UnsupportedModelError: a mask was given.
        """
        refuse_mask(attn_mask is not None or is_causal)
        return self.features_of(self.walk(*self.enter(x), fill=self.restores), x)

    def features_of(self, walk: Walk, x: Any) -> Any:  # noqa: ARG002
        """The features that a walk over these images ends in."""
        return self.leave(walk.x)

    def forward_head(self, *features: Any, **options: Any) -> Any:
        """As timm's.

        Raises:
            UnsupportedModelError: a lossless last cut left the prefix alone, and the head
                was changed since, so that it reads more.
        """
        model: Any = self
        last = self.blocks[-1]
        ended = isinstance(last, Cutting) and last.rows is not None
        if ended and not reads_prefix_only(model):
            raise UnsupportedModelError(
                f"the schedule ends in the {last.rows} prefix tokens, and this model's head "
                f"reads others now (global_pool is {model.global_pool!r}): undo(model), then "
                f"give the last block more than the {last.rows} prefix tokens"
            )
        return super().forward_head(*features, **options)  # type: ignore[misc]

    def walk(
        self, x: Tensor, beside: Beside, *, fill: bool = False, stop: int | None = None
    ) -> Walk:
        """Run the blocks; see `steps`."""
        walk = Walk(x, (), Trail(), self.prefix)
        for walk in self.steps(x, beside, fill=fill, stop=stop):  # noqa: B007 (the last one)
            pass
        return walk

    def steps(
        self,
        x: Tensor,
        beside: Beside,
        *,
        fill: bool = False,
        start: int = 0,
        stop: int | None = None,
    ) -> Iterable[Walk]:
        """Run the blocks one by one.

        Args:
            x: tokens, (batch, tokens, dim).
            beside: what goes beside them.
            fill: keep the states of dropped patches, for `Walk.dense`.
            start: the first block to run, which `x` enters; none before it may cut.
            stop: the block before which to end.

        Yields:
            After each block, how far the pass has come.
        """
        trail = Trail(sizes=self.sizes_at_start(beside))
        decisions: tuple[Decision, ...] = ()
        # Not a slice: a list of modules makes a new module of it at every call.
        for index, block in islice(enumerate(self.blocks), start, stop):
            sides = beside.of_block(index, cutting=isinstance(block, Cutting))
            if isinstance(block, Cutting) and block.pruning_cut.proportional:
                sides = _weighed(sides, trail.log_sizes(prefix=self.prefix).to(x.dtype))
            x, decision = self.step(block, x, sides, trail, fill)
            if decision is not None:
                cut = block.pruning_cut
                stood_for = cut.represented + cut.lost if cut.average else 0
                trail = trail.after(decision, averaged=cut.average, represented=stood_for)
                decisions = (*decisions, decision)
                if index + 1 < len(self.blocks):  # nobody asks for it behind the last
                    beside = beside.follow(trail)
            yield Walk(x, decisions, trail, self.prefix)

    def sizes_at_start(self, beside: Beside) -> Tensor | None:  # noqa: ARG002
        """Patches that each token stands for before the first cut; None for one each."""
        return None

    def step(
        self, block: nn.Module, x: Tensor, sides: dict[str, Any], trail: Trail, fill: bool
    ) -> tuple[Tensor, Decision | None]:
        """Run one block, by way of a checkpoint where the model wants that."""
        if self.grad_checkpointing:
            again: tuple[Tensor, Decision | None] = checkpoint(
                _run, block, x, sides, trail, fill, use_reentrant=False
            )
            return again
        return _run(block, x, sides, trail, fill)


def _run(
    block: nn.Module, x: Tensor, sides: dict[str, Any], trail: Trail, fill: bool
) -> tuple[Tensor, Decision | None]:
    if not isinstance(block, Cutting):
        return block(x, **sides), None
    decided = Decisions(trail, fill=fill)
    x = block(x, decided=decided, **sides)
    return x, decided[0] if decided else None


def _weighed(sides: dict[str, Any], logs: Tensor) -> dict[str, Any]:
    """What goes beside the tokens, with their sizes added to the mask if there is one."""
    mask = sides.get("mask")
    return sides | {"mask": logs if mask is None else mask + logs}


def refuse_mask(given: bool) -> None:
    """A mask for every token does not fit the blocks after a cut.

    Raises:
        UnsupportedModelError: one was given.
    """
    if given:
        raise UnsupportedModelError(
            "this model drops tokens and takes no attention mask: "
            "run it without attn_mask and is_causal, or undo(model) first"
        )
