"""Arithmetic of a workload's parts, to share a latency where only a sum was timed.

One fused multiply-add counts as two operations. Norms, softmax, activations and additions
are left out: they are few, and no part is mostly made of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from latmodel.workload import Workload

__all__ = ["attention_flops", "ends_flops", "mlp_flops", "schedule_flops", "scores_flops"]


def attention_flops(workload: Workload, count: int) -> int:
    """The attention half of one block on `count` tokens: four projections, two products."""
    inner = workload.heads * workload.head_dim
    projections = 2 * workload.batch * count * workload.dim * 4 * inner
    return projections + 2 * scores_flops(workload, count)


def scores_flops(workload: Workload, count: int) -> int:
    """Queries times keys of one block on `count` tokens: what a cut scores tokens by.

    >>> from latmodel.workloads import find_workload
    >>> scores_flops(find_workload("deit_small_patch16_224"), 197)  # 6 heads of 64
    29805312
    """
    return 2 * workload.batch * workload.heads * count**2 * workload.head_dim


def mlp_flops(workload: Workload, count: int) -> int:
    """The MLP half of one block on `count` tokens; three matrices where it is gated."""
    matrices = 3 if workload.gated_mlp else 2
    return 2 * workload.batch * count * workload.dim * workload.mlp_width * matrices


def ends_flops(workload: Workload) -> int:
    """Patch embedding and head, whose sizes no cut changes."""
    embedding = workload.patches * workload.patch_inputs
    return 2 * workload.batch * workload.dim * (embedding + workload.classes)


def schedule_flops(workload: Workload, tokens: Sequence[int]) -> int:
    """The whole model when block ``i`` keeps ``tokens[i]``; what cuts compute is left out.

    The cut of a block lies between its attention and its MLP, so the attention of block
    ``i`` runs on ``tokens[i - 1]``, that of block 0 on every token.

    Args:
        workload: what runs.
        tokens: shape (depth,).

    >>> from latmodel.workloads import find_workload
    >>> deit = find_workload("deit_small_patch16_224")
    >>> schedule_flops(deit, (197,) * 12) // 2  # multiply-adds: 4.6 G are published
    4598882304
    """
    before = (workload.tokens, *tokens[:-1])
    attentions = sum(attention_flops(workload, count) for count in before)
    return ends_flops(workload) + attentions + sum(mlp_flops(workload, n) for n in tokens)
