"""What `latmodel probe` tells of a curve that it measured, for who reads the terminal alone."""

from __future__ import annotations

from collections.abc import Iterator

from latmodel.steps import join_edges, steep_steps
from latmodel.workload_curves import WorkloadCurves

__all__ = ["findings"]

_MOST = 6
"""Steps and stretches told at most; the profile and its plot hold all."""


def findings(curves: WorkloadCurves) -> Iterator[str]:
    """The largest steps that were located, what is free beyond them, and what is not known.

    Args:
        curves: what was measured.

    Yields:
        A line each, two spaces deep; none where there is nothing to tell.
    """
    counts = range(curves.blocks.counts[0], curves.blocks.counts[-1] + 1)
    at = dict(zip(counts, curves.blocks.latency_ns(counts).tolist(), strict=True))
    located = [step for step in steep_steps(join_edges(curves.edges(), at), at) if step.located]
    largest = sorted(located, key=lambda step: -abs(step.size))[:_MOST]
    for step in sorted(largest, key=lambda step: step.first):
        free = curves.blocks.free_tokens(step.last)
        more = f"; {step.last + free} tokens cost no more than {step.last}" if free else ""
        yield f"  {step.first} to {step.last} tokens: {step.size:+.0%}, {step.cause}{more}"
    if len(located) > len(largest):
        yield f"  and {len(located) - len(largest)} smaller"
    stretches = curves.blocks.untrusted()
    if stretches:
        shown = ", ".join(_stretch(first, last) for first, last in stretches[:_MOST])
        more = " and elsewhere" if len(stretches) > _MOST else ""
        yield f"  only measured counts can be trusted at {shown}{more}"


def _stretch(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"
