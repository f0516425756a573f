"""A whole vision transformer as operators, and what a model says of it."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latmodel.block_operators import (
    Use,
    attention_half,
    embedding_operators,
    head_operators,
    mlp_half,
)
from latmodel.evaluating import evaluate
from latmodel.operator_kinds import Operator
from latmodel.stretches import Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latmodel.operators import OperatorModel
    from latmodel.workload import Workload

__all__ = ["operators_of", "rotary", "ungoverned", "whole"]


def operators_of(workload: Workload, *, fused: bool = True) -> list[Use]:
    """Every operator of one forward pass at the full count; embedding and head included."""
    count = np.array([workload.tokens])
    block = (*attention_half(workload, count, fused=fused), *mlp_half(workload, count))
    repeated = [replace(use, repeats=use.repeats * workload.depth) for use in block]
    uses = [*embedding_operators(workload), *repeated, *head_operators(workload)]
    return [replace(use, operator=_alone(use.operator)) for use in uses]


def _alone(operator: Operator) -> Operator:
    """The operator of one count, its dims as plain numbers."""
    return Operator(operator.kind, {n: int(np.max(size)) for n, size in operator.dims.items()})


def rotary(workload: Workload) -> list[Use]:
    """The operators that V-JEPA 2 adds for its rotary embedding, in every block anew.

    Queries and keys are rotated along three axes of 20 of a head's 64 features: six
    rotations of 15 operators, of which 5 go over all heads (negate, interleave, two
    products, a sum) and 10 over the positions alone; 10 more make the positions, 2 join
    the axes.

    Source:
        facebookresearch/vjepa2 at 073e524, src/models/utils/modules.py, RoPEAttention.
    """
    depth = workload.depth
    over_heads = {"rows": workload.tokens * workload.heads, "width": 20}
    positions = {"rows": workload.tokens, "width": 20}
    joined = {"rows": workload.tokens * workload.heads, "width": workload.head_dim}
    return [
        Use("q/k norm", Operator("add", over_heads), 6 * 5 * depth),
        Use("q/k norm", Operator("add", positions), (6 * 10 + 10) * depth),
        Use("q/k norm", Operator("add", joined), 2 * depth),
    ]


def whole(model: OperatorModel, uses: Sequence[Use], *, dtype: str) -> Stretch:
    """All operators, one after the other; `Stretch.latency_ns` says what is felt."""
    costs = evaluate(model, [use.operator for use in uses], dtype=dtype)
    stretches = [
        cost.stretch.repeated(
            use.repeats * (model.patch_factor if use.role == "patch embedding" else 1.0)
        )
        for use, cost in zip(uses, costs, strict=True)
    ]
    return functools.reduce(Stretch.then, stretches)


def ungoverned(model: OperatorModel) -> OperatorModel:
    """The model at a clock that is held up, as a graph's steady work holds it."""
    return replace(model, products=tuple(replace(p, governor=None) for p in model.products))
