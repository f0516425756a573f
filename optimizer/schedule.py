"""Token counts per block: what the solver makes, the cut obeys and a file keeps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from optimizer.errors import ScheduleError

__all__ = ["Schedule"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many tokens each transformer block keeps, for one image.

    The cut of block ``i`` lies between its attention and its MLP: that MLP and the next
    block's attention see ``tokens[i]``. The last block may keep the prefix alone: where the
    head reads nothing else, that cut loses nothing (see `lossless_last`).

    Attributes:
        tokens: shape (depth,), sequence length that leaves each cut, prefix and averaged
            token included. Never increases; the last may equal the prefix.
        full: tokens before the first cut, prefix included.
        prefix: tokens at the front that no block may drop (class, register).

    Raises:
        ScheduleError: no block, a negative prefix, a count not above the prefix (the last
            may equal a prefix of 1 or more), or a count above the one before it.

    Source:
        A dropped token never returns: Rao et al. 2021, arXiv:2106.02034.

    >>> Schedule(tokens=(197, 128, 64), full=197, prefix=1).dropped
    (0, 69, 64)
    """

    tokens: tuple[int, ...]
    full: int
    prefix: int

    def __post_init__(self) -> None:
        if not self.tokens:
            raise ScheduleError("tokens is empty: give one count per block")
        if self.prefix < 0:
            raise ScheduleError(f"prefix is {self.prefix}: must be 0 or more")
        for block, count in enumerate(self.tokens):
            last = block == len(self.tokens) - 1 and self.prefix > 0
            if count < self.prefix or (count == self.prefix and not last):
                allowed = "must be above prefix" if not last else "must be at least the prefix"
                raise ScheduleError(f"tokens[{block}] is {count}: {allowed} ({self.prefix})")
        for block, (before, after) in enumerate(pairwise((self.full, *self.tokens))):
            if after > before:
                raise ScheduleError(
                    f"tokens[{block}] is {after}, above the {before} that reach it: "
                    "a dropped token cannot return"
                )
        if self.full <= self.prefix:
            raise ScheduleError(f"full is {self.full}: must be above prefix ({self.prefix})")

    @property
    def depth(self) -> int:
        """Blocks that the schedule covers."""
        return len(self.tokens)

    @property
    def before(self) -> tuple[int, ...]:
        """Tokens that reach the cut of each block; shape (depth,)."""
        return (self.full, *self.tokens[:-1])

    @property
    def dropped(self) -> tuple[int, ...]:
        """Tokens dropped by each cut; shape (depth,)."""
        return tuple(a - b for a, b in zip(self.before, self.tokens, strict=True))

    @property
    def cuts(self) -> tuple[int, ...]:
        """The blocks that drop tokens."""
        return tuple(block for block, count in enumerate(self.dropped) if count)

    @property
    def lossless_last(self) -> bool:
        """Whether the last block keeps the prefix alone, which is all that its head reads."""
        return self.tokens[-1] == self.prefix

    @property
    def worth(self) -> tuple[int, ...]:
        """Tokens that count as kept through each block; shape (depth,).

        A lossless last cut counts as keeping all that reached it: its attention heard them,
        and nobody would have heard of them afterwards.
        """
        return (*self.tokens[:-1], self.before[-1]) if self.lossless_last else self.tokens

    @property
    def kept_fraction(self) -> float:
        """Tokens kept over all blocks, as a fraction of keeping every one; see `worth`."""
        return sum(self.worth) / (self.full * self.depth)
