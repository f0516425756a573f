"""What one cut costs at the output, by block and count: the table that is measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from latmodel.fields import Fields
from optimizer.errors import DamageError
from optimizer.fidelity.claim import DIVERGENCES
from optimizer.plan import DROPPED, SCORES, require_sizes

if TYPE_CHECKING:
    from latmodel.workload import Workload

__all__ = ["BlockDamage", "DamageTable"]

FORMAT = 1
"""The file format written here; any other number is refused."""

_MOST = 1e6
"""Damage above this is no divergence of a model that answers anything."""

_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BlockDamage:
    """What it costs when one block alone drops tokens.

    Attributes:
        counts: tokens that leave it, prefix included, ascending; below the full count,
            where it costs nothing.
        damage: the mean divergence over the images, of each count.
        errors: the standard error of each of these means.

    Raises:
        DamageError: lengths differ, counts do not ascend, or a number is negative.
    """

    counts: tuple[int, ...]
    damage: tuple[float, ...]
    errors: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.counts) == len(self.damage) == len(self.errors) > 0:
            raise DamageError(
                f"found {len(self.counts)} counts, {len(self.damage)} damages and "
                f"{len(self.errors)} errors: must be as many of each, and one at least"
            )
        if any(after <= before for before, after in pairwise((0, *self.counts))):
            raise DamageError(f"counts are {list(self.counts)}: must be positive and ascend")
        numbers = (*self.damage, *self.errors)
        if not all(0 <= number <= _MOST for number in numbers):  # nor NaN
            raise DamageError(f"damage and errors must be from 0 to {_MOST:g}")

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {
            "counts": list(self.counts),
            "damage": list(self.damage),
            "errors": list(self.errors),
        }

    @classmethod
    def from_fields(cls, source: Fields) -> BlockDamage:
        """Read one block; the inverse of `to_dict`."""
        block = cls(
            source.integers("counts", minimum=1),
            source.numbers("damage", minimum=0),
            source.numbers("errors", minimum=0),
        )
        source.finish()
        return block


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageTable:
    """What a cut costs at the output, measured for one model, one way of cutting.

    Entry (i, n) is the mean divergence between the uncut model's answers and those of the
    model in which block i, and no other, cuts to n tokens.

    Attributes:
        model: timm's name.
        divergence: one of `optimizer.fidelity.claim.DIVERGENCES`.
        score: what chose the tokens that stayed; see `optimizer.pruning`.
        dropped: what became of the others; see `optimizer.pruning`.
        proportional: whether later attention counted a token as often as the patches that
            it stood for.
        full: tokens of an uncut image, prefix included.
        prefix: tokens at the front that no block may drop.
        images: over how many the means are taken.
        weights: SHA-256 of the model's weights, in hexadecimal.
        pictures: SHA-256 of the images, whatever their order.
        blocks: shape (depth,).

    Raises:
        DamageError: no block or fewer than two images, a count out of range, a name or a
            digest that is none.
    """

    model: str
    divergence: str
    score: str
    dropped: str
    proportional: bool = False
    full: int
    prefix: int
    images: int
    weights: str
    pictures: str
    blocks: tuple[BlockDamage, ...]

    def __post_init__(self) -> None:
        for name, choices in (
            ("divergence", DIVERGENCES),
            ("score", SCORES),
            ("dropped", DROPPED),
        ):
            found = getattr(self, name)
            if found not in choices:
                raise DamageError(f"{name} is {found!r}: must be one of {', '.join(choices)}")
        require_sizes(self.dropped, proportional=self.proportional)
        for name in ("weights", "pictures"):
            if not _DIGEST.fullmatch(getattr(self, name)):
                raise DamageError(f"{name} is {getattr(self, name)!r}: must be a SHA-256")
        if not self.blocks:
            raise DamageError("blocks is empty: a model has one at least")
        if self.images < 2:
            raise DamageError(f"images is {self.images}: must be 2 or more, for an error")
        for index, block in enumerate(self.blocks):
            low, high = block.counts[0], block.counts[-1]
            if low < max(self.prefix, 1) or high >= self.full:
                raise DamageError(
                    f"blocks[{index}] has counts from {low} to {high}: must be from the "
                    f"prefix ({self.prefix}) to below the full count ({self.full})"
                )

    @property
    def depth(self) -> int:
        """Transformer blocks."""
        return len(self.blocks)

    @property
    def least(self) -> int:
        """The count from which on every block but the last was measured."""
        return max(block.counts[0] for block in self.blocks[:-1] or self.blocks)

    def require_of(
        self, workload: Workload, *, score: str, dropped: str, proportional: bool
    ) -> None:
        """Refuse to be used for anything else than what was measured.

        Raises:
            DamageError: the model, its image size or the way of cutting is another.
        """
        asked: tuple[tuple[str, object, object], ...] = (
            ("model", self.model, workload.model),
            ("depth", self.depth, workload.depth),
            ("full_tokens", self.full, workload.tokens),
            ("prefix_tokens", self.prefix, workload.prefix),
            ("score", self.score, score),
            ("dropped", self.dropped, dropped),
            ("proportional", self.proportional, proportional),
        )
        for name, measured, wanted in asked:
            if measured != wanted:
                raise DamageError(
                    f"{name} is {measured!r} in the damage table and {wanted!r} in the "
                    "question: measure a table for it, or ask what the table is for"
                )

    def require_weights(self, digest: str) -> None:
        """Refuse to be used for a model with other weights.

        Args:
            digest: theirs, by `optimizer.fidelity.measuring.digest_of_weights`.

        Raises:
            DamageError: they are others.
        """
        if digest != self.weights:
            raise DamageError(
                f"weights_sha256 is {self.weights[:12]}... in the damage table and "
                f"{digest[:12]}... of the model's weights: measure a table for these"
            )

    def to_dict(self) -> dict[str, object]:
        """As plain values, in the order a person reads them."""
        return {
            "format": FORMAT,
            "model": self.model,
            "divergence": self.divergence,
            "score": self.score,
            "dropped": self.dropped,
            **({"proportional": True} if self.proportional else {}),
            "full_tokens": self.full,
            "prefix_tokens": self.prefix,
            "images": self.images,
            "weights_sha256": self.weights,
            "images_sha256": self.pictures,
            "blocks": [block.to_dict() for block in self.blocks],
        }

    @classmethod
    def from_fields(cls, source: Fields) -> DamageTable:
        """Read a table; the inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
            DamageError: they are no table.
        """
        if source.integer("format") != FORMAT:
            raise source.refuse("format", source.raw("format"), f"{FORMAT}")
        table = cls(
            model=source.text("model"),
            divergence=source.choice("divergence", DIVERGENCES),
            score=source.choice("score", SCORES),
            dropped=source.choice("dropped", DROPPED),
            proportional=source.has("proportional") and source.boolean("proportional"),
            full=source.integer("full_tokens", minimum=1),
            prefix=source.integer("prefix_tokens", minimum=0),
            images=source.integer("images", minimum=1),
            weights=source.text("weights_sha256"),
            pictures=source.text("images_sha256"),
            blocks=source.each("blocks", BlockDamage.from_fields),
        )
        source.finish()
        return table
