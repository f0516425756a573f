"""Arithmetic of a workload's parts, to share a latency where only a sum was timed.

One fused multiply-add counts as two operations. Norms, softmax, activations and additions
are left out: they are few, and no part is mostly made of them.
"""

from __future__ import annotations

from latmodel.workload import Workload

__all__ = ["attention_flops", "ends_flops", "mlp_flops", "scores_flops"]


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
