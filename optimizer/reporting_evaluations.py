"""Evaluations in words for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.reporting import labelled

if TYPE_CHECKING:
    from optimizer.evaluating.evaluation import Evaluation
    from optimizer.evaluating.shares import Change, Share

__all__ = ["evaluation_lines"]


def evaluation_lines(found: Evaluation) -> list[str]:
    """Accuracy, agreement and latency, a line each; warnings left to the caller."""
    both, timing = found.comparison, found.timing
    plural = "" if both.count == 1 else "s"
    lines = [
        labelled(
            "evaluated",
            f"{both.count} image{plural} of {found.images}; {found.weights}; {found.dtype}",
        )
    ]
    if both.dense_top1 is not None and both.cut_top1 is not None:
        lines.append(labelled("top-1", _accuracies(both.dense_top1, both.cut_top1)))
    if both.change is not None:
        lines.append(labelled("", _change(both.change)))
    if both.dense_top5 is not None and both.cut_top5 is not None:
        lines.append(labelled("top-5", _accuracies(both.dense_top5, both.cut_top5)))
    if both.agreeing is not None:
        said = f"{_share(both.agreeing)} get the uncut model's class"
        lines.append(labelled("agreement", f"{said}; mean KL divergence {both.kl:.4g} nats"))
    if both.cosine is not None:
        lines.append(labelled("agreement", f"mean cosine of the features {both.cosine:.5f}"))
    threads = "" if found.threads is None else f", {found.threads} threads"
    threads = threads[:-1] if found.threads == 1 else threads
    lines.append(
        labelled(
            "latency",
            f"{timing.measured_ns / 1e6:.2f} ms cut, {timing.measured_dense_ns / 1e6:.2f} ms "
            f"uncut, {1 / timing.ratio:.2f}x, on {timing.device}{threads}",
        )
    )
    return lines


def _accuracies(dense: Share, cut: Share) -> str:
    return f"{_share(cut)} cut, {_share(dense)} uncut"


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{share.rate:.1%} ({low:.1%} to {high:.1%})"


def _change(change: Change) -> str:
    low, high = (100 * end for end in change.interval)
    return (
        f"{100 * change.rate:+.1f} points ({low:+.1f} to {high:+.1f}): {change.lost} images "
        f"lost, {change.gained} gained; 95 % intervals"
    )
