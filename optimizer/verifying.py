"""Run the cut model beside the uncut one: do the counts hold, does the budget?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import torch
from torch import nn

from latmodel.architectures import build_model
from latmodel.runtimes.torch_eager import TORCH_DTYPES, synchronizer
from latmodel.timing import interleave_ns
from optimizer.errors import VerificationError
from optimizer.plan import Plan
from optimizer.pruning import apply

__all__ = ["Verification", "executed_counts", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a plan promised and what ran.

    Attributes:
        device: where it ran.
        planned: token counts per block; shape (depth,).
        executed: the counts that left each block when it ran; shape (depth,).
        budget_ns: of the plan.
        predicted_ns: of the plan.
        predicted_dense_ns: of the plan, for the uncut model.
        pruned_ns: samples of the cut model; shape (rounds,), interleaved with
        dense_ns: samples of the uncut model; shape (rounds,).
    """

    device: str
    planned: tuple[int, ...]
    executed: tuple[int, ...]
    budget_ns: int
    predicted_ns: int
    predicted_dense_ns: int
    pruned_ns: tuple[int, ...]
    dense_ns: tuple[int, ...]

    @property
    def measured_ns(self) -> float:
        """The median of the cut model."""
        return median(self.pruned_ns)

    @property
    def measured_dense_ns(self) -> float:
        """The median of the uncut model."""
        return median(self.dense_ns)

    @property
    def ratio(self) -> float:
        """Cut over uncut: the median over rounds, each a pair taken side by side."""
        return median(p / d for p, d in zip(self.pruned_ns, self.dense_ns, strict=True))

    @property
    def predicted_ratio(self) -> float:
        """Cut over uncut as the plan has it."""
        return self.predicted_ns / self.predicted_dense_ns

    @property
    def error(self) -> float:
        """Predicted over measured latency of the cut model, less one."""
        return self.predicted_ns / self.measured_ns - 1

    @property
    def spread_ns(self) -> tuple[float, float]:
        """The middle half of the cut model's samples: its quartiles."""
        low, _, high = quantiles(self.pruned_ns, n=4)
        return low, high

    @property
    def met(self) -> bool:
        """Whether the measured median is within the budget."""
        return self.measured_ns <= self.budget_ns

    def to_dict(self) -> dict[str, object]:
        """As plain values, latencies in ms."""
        low, high = self.spread_ns
        return {
            "device": self.device,
            "planned": list(self.planned),
            "executed": list(self.executed),
            "predicted_ms": self.predicted_ns / 1e6,
            "measured_ms": self.measured_ns / 1e6,
            "quartiles_ms": [low / 1e6, high / 1e6],
            "measured_dense_ms": self.measured_dense_ns / 1e6,
            "predicted_ratio": round(self.predicted_ratio, 6),
            "measured_ratio": round(self.ratio, 6),
            "rounds": len(self.pruned_ns),
            "met": self.met,
        }


def verify(
    plan: Plan,
    *,
    model: nn.Module | None = None,
    device: str | None = None,
    rounds: int = 30,
    on_round: Callable[[], object] = lambda: None,
) -> Verification:
    """Cut the model as planned, run it, and time it in turn with the uncut one.

    Args:
        plan: what to verify.
        model: the uncut model, left as it is; by default timm's with random weights,
            which latency does not depend on.
        device: "cpu" or "cuda"; by default CUDA where there is one.
        rounds: pairs of samples, 2 or more.
        on_round: called after each round, for a progress bar.

    Raises:
        VerificationError: the counts that ran are not those planned, or `rounds` is
            below 2.
        UnsupportedModelError, ScheduleError: the model cannot be cut as planned.
    """
    if rounds < 2:
        raise VerificationError(f"rounds is {rounds}: must be 2 or more")
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dense: Any = model if model is not None else build_model(plan.model)
    dense = _share_weights(dense).to(place, TORCH_DTYPES[plan.dtype]).eval()
    pruned = apply(_share_weights(dense), plan.schedule, score=plan.score, dropped=plan.dropped)
    shape = (plan.batch, dense.patch_embed.proj.in_channels, *dense.patch_embed.img_size)
    images = torch.randn(shape, device=place, dtype=TORCH_DTYPES[plan.dtype])
    with torch.inference_mode():
        executed = executed_counts(pruned, images)
        if executed != plan.schedule.tokens:
            raise VerificationError(
                f"planned {plan.schedule.tokens} but {executed} ran: this is a defect, please "
                "report it with the schedule file"
            )
        samples = interleave_ns(
            {"dense": lambda: dense(images), "pruned": lambda: pruned(images)},
            synchronize=synchronizer(place),
            rounds=rounds,
            on_round=on_round,
        )
    return Verification(
        device=str(place),
        planned=plan.schedule.tokens,
        executed=executed,
        budget_ns=plan.budget_ns,
        predicted_ns=plan.predicted_ns,
        predicted_dense_ns=plan.dense_ns,
        pruned_ns=samples["pruned"],
        dense_ns=samples["dense"],
    )


def executed_counts(model: Any, images: torch.Tensor) -> tuple[int, ...]:
    """The sequence length that leaves each block when the model runs; shape (depth,).

    A block's output is as long as its MLP's input, which is what its cut left.
    """
    seen: list[int] = []
    hooks = [
        block.register_forward_hook(lambda _m, _i, out: seen.append(int(out.shape[1])))
        for block in model.blocks
    ]
    try:
        with torch.inference_mode():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(seen)


def _share_weights(model: nn.Module) -> Any:
    """A copy of the modules around the same tensors: two models, one set of weights."""
    tensors = (*model.parameters(), *model.buffers())
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
