"""What one block's cut does: the static counts, worked out before any tensor exists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from optimizer.errors import ScheduleError
from optimizer.plan import DROPPED, require_sizes

if TYPE_CHECKING:
    from optimizer.schedule import Schedule

__all__ = ["Cut", "Score", "plan_cuts"]

# A score of the caller's own: (q, k, v, prefix) -> one number per token, where q, k and v
# are (batch, heads, tokens, head_dim) and the result is (batch, tokens), high is kept.
Score = Callable[[Tensor, Tensor, Tensor, int], Tensor]


@dataclass(frozen=True, slots=True)
class Cut:
    """The plan of one block's cut, all of it static.

    A sequence is ordered prefix, patches in image order, averaged token if there is one.
    A cut that leaves the prefix alone is the lossless last one: it chooses nothing, and
    the attention before it is run for these tokens only.

    Attributes:
        block: index of the block, from 0.
        before: tokens that reach the cut, prefix and averaged token included.
        after: tokens that leave it, likewise.
        prefix: tokens at the front that are never dropped (class, distillation, register).
        represented: original patches that the averaged token reaching this cut stands
            for; 0 if none reaches it.
        dropped: what becomes of the patches that end here, one of `optimizer.plan.DROPPED`.
        score: name of a score in `optimizer.pruning.scores`, "random", or a function.
        proportional: whether the block's attention weighs what reaches it by the patches
            that each token stands for; never where all are still there.

    >>> cut = Cut(3, 17, 9, prefix=1, represented=0, dropped="average", score="cls")
    >>> cut.patches, cut.kept, cut.lost
    (16, 7, 9)
    """

    block: int
    before: int
    after: int
    prefix: int
    represented: int
    dropped: str
    score: str | Score
    proportional: bool = False

    @property
    def rows(self) -> int | None:
        """Tokens at the front that alone leave the attention; None where all do."""
        return self.prefix if self.after == self.prefix > 0 else None

    @property
    def average(self) -> bool:
        """Whether the patches that end here leave as one averaged token."""
        return self.dropped == "average" and self.rows is None

    @property
    def patches(self) -> int:
        """Original patches that reach the cut, the averaged token not among them."""
        return self.before - self.prefix - (1 if self.represented else 0)

    @property
    def kept(self) -> int:
        """Original patches that leave the cut; 0 is possible beside an averaged token."""
        return self.after - self.prefix - (1 if self.average else 0)

    @property
    def lost(self) -> int:
        """Patches that end here: one more than the tokens lost where a mean is begun."""
        return self.patches - self.kept


def plan_cuts(
    schedule: Schedule, *, dropped: str, score: str | Score, proportional: bool = False
) -> tuple[Cut, ...]:
    """Turn a schedule into the cut of each block.

    Any valid schedule is feasible with any way of dropping. Under "average" a first cut of
    one token drops two patches and adds their mean, and a later one folds one more patch
    into the mean that is there; a lossless last cut leaves no mean.

    Args:
        schedule: exact sequence lengths, averaged token included.
        dropped: one of `optimizer.plan.DROPPED`.
        score: kept in each cut, unread here.
        proportional: asked of every block behind the first cut.

    Returns:
        One entry per block; where it drops nothing, `before` and `after` are equal.

    Raises:
        ScheduleError: `dropped` is no choice, or leaves nothing to be proportional to.

    >>> from optimizer.schedule import Schedule
    >>> schedule = Schedule((17, 16, 4), full=17, prefix=1)
    >>> cuts = plan_cuts(schedule, dropped="average", score="cls")
    >>> [(cut.kept, cut.lost, cut.represented) for cut in cuts if cut.before > cut.after]
    [(14, 2, 0), (2, 12, 2)]
    """
    if dropped not in DROPPED:
        choices = ", ".join(repr(choice) for choice in DROPPED)
        raise ScheduleError(f"dropped is {dropped!r}: choose one of {choices}")
    require_sizes(dropped, proportional=proportional)
    represented = 0
    cuts: list[Cut] = []
    for block, (before, after) in enumerate(zip(schedule.before, schedule.tokens, strict=True)):
        sized = proportional and before < schedule.full
        cut = Cut(block, before, after, schedule.prefix, represented, dropped, score, sized)
        cuts.append(cut)
        if cut.average and before > after:
            represented += cut.lost
    return tuple(cuts)
