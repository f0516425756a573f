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
from latmodel.measurement import Measurement
from latmodel.runtimes.devices import TORCH_DTYPES, device_clock, device_name, find_device
from latmodel.timing import interleave_ns
from optimizer.errors import VerificationError
from optimizer.plan import Plan
from optimizer.pruning.planned import apply_plan
from optimizer.pruning.trunks.registry import trunk_of
from optimizer.pruning.twinning import twin

__all__ = ["Verification", "executed_counts", "image_shape", "steady_rounds", "verify"]

_PATIENCE = 4
"""Times as many rounds as asked for, at most, where something else takes the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a plan promised and what ran.

    Attributes:
        device: where it ran.
        planned_device: what the plan's profile describes.
        planned: token counts per block; shape (depth,).
        executed: the counts that left each block when it ran; shape (depth,).
        budget_ns: of the plan.
        predicted_ns: of the plan.
        predicted_dense_ns: of the plan, for the uncut model.
        pruned_ns: samples of the cut model; shape (rounds,), interleaved with
        dense_ns: samples of the uncut model; shape (rounds,).
    """

    device: str
    planned_device: str
    planned: tuple[int, ...]
    executed: tuple[int, ...]
    budget_ns: int
    predicted_ns: int
    predicted_dense_ns: int
    pruned_ns: tuple[int, ...]
    dense_ns: tuple[int, ...]

    @property
    def _pruned(self) -> Measurement:
        return Measurement(self.executed[-1], self.pruned_ns)

    @property
    def _dense(self) -> Measurement:
        return Measurement(self.executed[-1], self.dense_ns)

    @property
    def measured_ns(self) -> int:
        """The median of the cut model's undisturbed calls (see `Measurement.steady_ns`)."""
        return self._pruned.centre_ns

    @property
    def measured_dense_ns(self) -> int:
        """The median of the uncut model's undisturbed calls."""
        return self._dense.centre_ns

    @property
    def ratio(self) -> float:
        """Cut over uncut: the median over rounds, each a pair taken side by side."""
        cut, uncut = set(self._pruned.steady_ns), set(self._dense.steady_ns)
        pairs = list(zip(self.pruned_ns, self.dense_ns, strict=True))
        steady = [(p, d) for p, d in pairs if p in cut and d in uncut]
        return median(p / d for p, d in steady or pairs)

    @property
    def disturbed(self) -> int:
        """Calls of either that something else interrupted, left out of the medians."""
        steady = len(self._pruned.steady_ns) + len(self._dense.steady_ns)
        return len(self.pruned_ns) + len(self.dense_ns) - steady

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
        """The middle half of the cut model's undisturbed calls: its quartiles."""
        steady = self._pruned.steady_ns
        if len(steady) < 2:
            return float(steady[0]), float(steady[0])
        low, _, high = quantiles(steady, n=4)
        return low, high

    @property
    def same_device(self) -> bool:
        """Whether it ran on what the plan was made for; a budget is kept nowhere else."""
        return self.device == self.planned_device

    @property
    def met(self) -> bool:
        """Whether the measured median is within the budget."""
        return self.measured_ns <= self.budget_ns

    def to_dict(self) -> dict[str, object]:
        """As plain values, latencies in ms."""
        low, high = self.spread_ns
        return {
            "device": self.device,
            "planned_device": self.planned_device,
            "planned": list(self.planned),
            "executed": list(self.executed),
            "predicted_ms": self.predicted_ns / 1e6,
            "measured_ms": self.measured_ns / 1e6,
            "quartiles_ms": [low / 1e6, high / 1e6],
            "measured_dense_ms": self.measured_dense_ns / 1e6,
            "predicted_ratio": round(self.predicted_ratio, 6),
            "measured_ratio": round(self.ratio, 6),
            "rounds": len(self.pruned_ns),
            "disturbed": self.disturbed,
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
        rounds: pairs of samples, 2 or more; up to four times as many are taken where
            something else takes the processor.
        on_round: called after each round, for a progress bar.

    Raises:
        VerificationError: the counts that ran are not those planned, or `rounds` is
            below 2.
        MeasurementError: no CPU or CUDA device has the name.
        UnsupportedModelError, ScheduleError: the model cannot be cut as planned.
    """
    if rounds < 2:
        raise VerificationError(f"rounds is {rounds}: must be 2 or more")
    place = find_device(device)
    # A copy with weights of its own, since `to` would change the caller's; the cut model
    # then shares them, so that both meet the same memory.
    dense: Any = copy.deepcopy(model) if model is not None else build_model(plan.model)
    dense = dense.to(place, TORCH_DTYPES[plan.dtype]).eval()
    pruned = apply_plan(twin(dense), plan)
    shape = (plan.batch, *image_shape(dense))
    images = torch.randn(shape, device=place, dtype=TORCH_DTYPES[plan.dtype])
    with torch.inference_mode():
        executed = executed_counts(pruned, images)
        if executed != plan.schedule.tokens:
            raise VerificationError(
                f"planned {plan.schedule.tokens} but {executed} ran: this is a defect, please "
                "report it with the schedule file"
            )
        samples = steady_rounds(
            {"dense": lambda: dense(images), "pruned": lambda: pruned(images)},
            place,
            rounds,
            on_round,
        )
    return Verification(
        device=device_name(place),
        planned_device=plan.device,
        planned=plan.schedule.tokens,
        executed=executed,
        budget_ns=plan.budget_ns,
        predicted_ns=plan.predicted_ns,
        predicted_dense_ns=plan.dense_ns,
        pruned_ns=samples["pruned"],
        dense_ns=samples["dense"],
    )


def steady_rounds(
    calls: dict[str, Callable[[], object]],
    place: torch.device,
    rounds: int,
    on_round: Callable[[], object],
) -> dict[str, tuple[int, ...]]:
    """Samples in turn; rounds once more, a few times, while most calls were disturbed."""
    samples: dict[str, tuple[int, ...]] = dict.fromkeys(calls, ())
    for _ in range(_PATIENCE):
        taken = interleave_ns(
            calls, clock=device_clock(place), rounds=rounds, on_round=on_round
        )
        samples = {name: samples[name] + taken[name] for name in calls}
        steady = [len(Measurement(1, some).steady_ns) for some in samples.values()]
        if min(steady) >= rounds / 2:
            break
    return samples


def image_shape(model: Any) -> tuple[int, int, int]:
    """Channels, height and width of the images that a model is planned for."""
    embed: Any = getattr(trunk_of(model), "patch_embed", None)
    if getattr(embed, "img_size", None) is None:  # it takes images of any size
        channels, height, width = model.pretrained_cfg["input_size"]
    else:
        # The first convolution's: a stem may stand before the projection.
        first = next(part for part in embed.modules() if isinstance(part, nn.Conv2d))
        channels, (height, width) = first.in_channels, embed.img_size
    return channels, height, width


def executed_counts(model: Any, images: torch.Tensor) -> tuple[int, ...]:
    """The sequence length that leaves each block when the model runs; shape (depth,).

    A block's output is as long as its MLP's input, which is what its cut left.
    """
    seen: list[int] = []
    hooks = [
        block.register_forward_hook(lambda _m, _i, out: seen.append(int(out.shape[1])))
        for block in trunk_of(model).blocks
    ]
    try:
        with torch.inference_mode():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(seen)
