"""What a plan leaves of its model: answers, and latency of the same model in the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.evaluating.shares import Share

if TYPE_CHECKING:
    from optimizer.evaluating.comparing import Comparison
    from optimizer.verifying import Verification

__all__ = ["RANDOM", "Evaluation"]

RANDOM = (
    "the weights are random, so accuracy and agreement mean nothing: give a checkpoint or take "
    "the pretrained weights"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A plan's model before and after the cut.

    Attributes:
        images: where they come from, in words.
        weights: where the model's come from, in words.
        random: whether these are random, so that the answers mean nothing.
        dtype: in which both ran.
        comparison: of their answers.
        timing: of both in turn, on one process alone.
        threads: of the CPU that this process computed with; `torchrun` starts several
            processes with one each. None on a GPU.
        warnings: what to know before trusting the numbers, a sentence each.
    """

    images: str
    weights: str
    random: bool
    dtype: str
    comparison: Comparison
    timing: Verification
    threads: int | None
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """As plain values: shares from 0 to 1 with their 95 % intervals, latencies in ms."""
        found, timing = self.comparison, self.timing
        change = found.change
        return {
            "images": self.images,
            "count": found.count,
            "classes": found.classes,
            "weights": self.weights,
            "random_weights": self.random,
            "dtype": self.dtype,
            "top1": _pair(found.dense_top1, found.cut_top1),
            "top5": _pair(found.dense_top5, found.cut_top5),
            "top1_change": None
            if change is None
            else {
                "rate": change.rate,
                "interval": list(change.interval),
                "lost": change.lost,
                "gained": change.gained,
            },
            "agreement": _values(found.agreeing),
            "kl": _rounded(found.kl),
            "cosine": _rounded(found.cosine),
            "latency": {
                "device": timing.device,
                "threads": self.threads,
                "batch_ms": timing.measured_ns / 1e6,
                "dense_batch_ms": timing.measured_dense_ns / 1e6,
                "ratio": round(timing.ratio, 6),
                "rounds": len(timing.pruned_ns),
                "disturbed": timing.disturbed,
            },
            "warnings": list(self.warnings),
        }


def _pair(dense: Share | None, cut: Share | None) -> dict[str, object] | None:
    if dense is None or cut is None:
        return None
    return {"dense": _values(dense), "cut": _values(cut)}


def _rounded(mean: float | None) -> float | None:
    """To six digits: those behind depend on how many threads add up."""
    return None if mean is None else float(f"{mean:.6g}")


def _values(share: Share | None) -> dict[str, object] | None:
    if share is None:
        return None
    return {"rate": share.rate, "interval": list(share.interval), "images": share.hits}
