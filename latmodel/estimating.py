"""Estimate a part that was not timed, from the block that was."""

from __future__ import annotations

from latmodel.curve import Curve
from latmodel.flops import attention_flops, ends_flops, mlp_flops, scores_flops
from latmodel.measurement import Measurement
from latmodel.workload import Workload

__all__ = ["cut_estimate", "ends_estimate", "mlp_estimate"]


def mlp_estimate(workload: Workload, block: Curve) -> tuple[Measurement, ...]:
    """One MLP half at each count of `block`: its share of the block's arithmetic.

    Args:
        workload: what runs.
        block: one block over the token count.
    """
    estimates = []
    for probe in block.probes:
        share = mlp_flops(workload, probe.count) / _block_flops(workload, probe.count)
        samples_ns = tuple(max(round(share * sample), 1) for sample in probe.samples_ns)
        estimates.append(Measurement(probe.count, samples_ns))
    return tuple(estimates)


def cut_estimate(workload: Workload, block: Curve) -> tuple[Measurement, ...]:
    """One cut, the same at 1 token and at the full count.

    A cut is about as many launches as a block, which a block at 1 token is nothing but,
    and the product of queries and keys at the full count, whatever it cuts down to.

    Source: against the cuts of the shipped Jetson profile, which are composed of operators,
    the rule gives 1.43 ms for 1.24 (DeiT-S at batch 1), 2.1 for 1.3 (ViT-B at 8), 1.6 for
    1.9 (ViT-B at 32 in fp16) and 2.7 for 4.4 (the same in fp32).
    """
    full = workload.tokens
    share = scores_flops(workload, full) / _block_flops(workload, full)
    floor_ns, dense_ns = (float(block.latency_ns(count)) for count in (1, full))
    latency_ns = round(floor_ns + share * dense_ns)
    return tuple(Measurement(count, (latency_ns,)) for count in sorted({1, full}))


def ends_estimate(workload: Workload, block: Curve) -> int:
    """Embedding, last norm and head in ns: their arithmetic at the speed of a dense block."""
    full = workload.tokens
    share = ends_flops(workload) / _block_flops(workload, full)
    return max(round(share * float(block.latency_ns(full))), 1)


def _block_flops(workload: Workload, count: int) -> int:
    return attention_flops(workload, count) + mlp_flops(workload, count)
