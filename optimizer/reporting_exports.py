"""Exports in words for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optimizer.exporting import Export

__all__ = ["export_lines"]


def export_lines(found: Export) -> list[str]:
    """Where the file is, how near its answers are, and what it takes beside the uncut one's."""
    timing = found.timing
    low, high = timing.spread_ns
    over = timing.measured_ns / timing.budget_ns - 1
    verdict = "within the budget" if timing.met else f"over the budget by {over:.1%}"
    batch = ", any batch" if found.any_batch else ""
    lines = [_row("exported", f"{found.path}, {found.dtype}{batch}")]
    lines += [
        _row(
            "parity",
            f"{one.runtime} {one.version}: {one.error:.1e} from eager in fp32, allowed is "
            f"{one.allowed:g}",
        )
        for one in found.parities
    ]
    measured = (
        f"{timing.measured_ns / 1e6:.2f} ms in {found.runtime} on {timing.device}, "
        f"{verdict}; middle half {low / 1e6:.2f} to {high / 1e6:.2f} ms, "
        f"{len(timing.pruned_ns)} rounds, {timing.disturbed} calls disturbed"
    )
    dense = f"{timing.measured_dense_ns / 1e6:.2f} ms measured in the same rounds"
    ratios = (
        f"{1 / timing.ratio:.2f}x measured pair by pair, {1 / timing.predicted_ratio:.2f}x "
        "predicted"
    )
    lines += [_row("measured", measured), _row("unpruned", dense), _row("speed-up", ratios)]
    if not timing.same_device:
        lines.append(
            f"The plan was made for {timing.planned_device}: its budget was not tested here."
        )
    return lines


def _row(label: str, text: str) -> str:
    return f"{label:<12} {text}"
