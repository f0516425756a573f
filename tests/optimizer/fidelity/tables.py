"""Damage tables made by hand."""

from __future__ import annotations

from typing import Any

from optimizer.fidelity.damage import BlockDamage, DamageTable

DIGEST = "0123456789abcdef" * 4


def block(
    *damage: float, counts: tuple[int, ...] = (2, 5, 9), error: float = 0.1
) -> BlockDamage:
    """One block with this damage."""
    return BlockDamage(counts[: len(damage)], damage, (error,) * len(damage))


def table(*blocks: BlockDamage, **changes: Any) -> DamageTable:
    """A table of these blocks, for a model of 17 tokens."""
    values: dict[str, Any] = {
        "model": "made_up",
        "divergence": "kl",
        "score": "pomt",
        "dropped": "average",
        "full": 17,
        "prefix": 1,
        "images": 100,
        "weights": DIGEST,
        "pictures": DIGEST[::-1],
        "blocks": blocks or (block(3.0, 1.0, 0.5), block(2.0, 0.5, 0.1)),
    }
    return DamageTable(**(values | changes))
