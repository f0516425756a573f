"""What `latmodel probe` tells of a curve that it measured, for who reads the terminal alone."""

from __future__ import annotations

from collections.abc import Iterator

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
    located = [edge for edge in curves.edges() if edge.located]
    largest = sorted(located, key=lambda edge: -abs(edge.size))[:_MOST]
    for edge in sorted(largest, key=lambda edge: edge.count):
        after = edge.count + 1
        free = curves.blocks.free_tokens(after)
        more = f"; {after + free} tokens cost no more than {after}" if free else ""
        yield f"  {edge.count} to {after} tokens: {edge.size:+.0%}, {edge.cause}{more}"
    if len(located) > len(largest):
        yield f"  and {len(located) - len(largest)} smaller"
    stretches = curves.blocks.untrusted()
    if stretches:
        shown = ", ".join(_stretch(first, last) for first, last in stretches[:_MOST])
        more = " and elsewhere" if len(stretches) > _MOST else ""
        yield f"  only measured counts can be trusted at {shown}{more}"


def _stretch(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"
