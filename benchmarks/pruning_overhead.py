"""What does cutting itself cost? The cut model over the ideal, beside two published ways.

    python benchmarks/pruning_overhead.py --runtime torch-eager onnxruntime

The ideal runs each block at its counts without choosing: it takes the front of the sequence.
All models of a row share weights and run in turn, in an order drawn anew each round; figures
are medians of the ratio to the ideal within a round, with the interval that holds the true
median in 95 % of cases. Calls that something else interrupted are left out.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Any

import timm
import torch
from pruning_rivals import Ideal, PomtStyle, TomeStyle, Uncut
from pruning_shapes import SHAPES
from rich.progress import track
from torch import nn

from latmodel.runtimes.devices import device_clock, find_device
from latmodel.runtimes.module_timer import ModuleTimer
from latmodel.runtimes.parts import Part
from latmodel.runtimes.registry import RUNTIMES, build_timer
from optimizer.pruning import apply
from optimizer.schedule import Schedule

_MODELS = ("deit_small_patch16_224", "vit_base_patch16_224")
_SIZES = (224, 384)
_OURS = (("cls", "average"), ("pomt", "average"), ("cls", "merge"))
_INTERRUPTED = 1.3
"""A round in which a call took so many times its median is left out of the ratios."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of paired ratios, and its interval of 95 %, by order statistics."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: list[float]) -> Ratio:
        """The interval's ends are order statistics: no shape of noise is assumed."""
        ordered, n = sorted(ratios), len(ratios)
        reach = round(0.98 * sqrt(n))
        low, high = max((n - 1) // 2 - reach, 0), min(n // 2 + reach, n - 1)
        return cls(median(ordered), ordered[low], ordered[high])

    def __str__(self) -> str:
        return f"{self.middle:6.3f} ({self.low:.3f} to {self.high:.3f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", nargs="+", default=_MODELS)
    parser.add_argument("--image", type=int, nargs="+", default=_SIZES)
    parser.add_argument("--runtime", nargs="+", choices=RUNTIMES, default=("torch-eager",))
    parser.add_argument("--shape", nargs="+", choices=tuple(SHAPES), default=tuple(SHAPES))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device")
    parser.add_argument("--rounds", type=int, default=40)
    return parser.parse_args()


def _variants(model: nn.Module, schedule: Schedule) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {"ideal": Ideal(model, schedule), "uncut": Uncut(model)}
    for score, dropped in _OURS:
        # A copy that shares the weights: every model finds them in the same place.
        shared = {id(value): value for value in model.state_dict(keep_vars=True).values()}
        twin = copy.deepcopy(model, dict(shared))
        found[f"ours: {score}, {dropped}"] = Uncut(apply(twin, schedule, score, dropped))
    found["POMT-style"] = PomtStyle(model, schedule)
    found["ToMe-style"] = TomeStyle(model, schedule)
    return {name: module.eval() for name, module in found.items()}


def _sample(
    calls: dict[str, Callable[[], object]], clock: Callable[..., int], rounds: int, what: str
) -> dict[str, list[int]]:
    samples: dict[str, list[int]] = {name: [] for name in calls}
    order = list(calls)
    for turn in track(range(-3, rounds), description=what, transient=True):
        Random(turn).shuffle(order)  # noqa: S311 (an order, no secret)
        for name in order:
            taken = clock(calls[name])
            if turn >= 0:
                samples[name].append(taken)
    return samples


def _ratio(samples: list[int], ideal: list[int]) -> Ratio:
    usual, usual_ideal = median(samples), median(ideal)
    ratios = [
        mine / best
        for mine, best in zip(samples, ideal, strict=True)
        if mine < _INTERRUPTED * usual and best < _INTERRUPTED * usual_ideal
    ]
    return Ratio.of(ratios)


def _measure(timer: ModuleTimer, model: Any, shape: str, args: argparse.Namespace) -> None:
    full = int(model.pos_embed.shape[1])
    schedule = SHAPES[shape](len(model.blocks), full)
    images = torch.randn(args.batch, 3, *model.patch_embed.img_size)
    images = images.to(next(model.parameters()).device)
    calls = {
        name: timer.prepare(Part("model", full, module, (images,)))
        for name, module in _variants(model, schedule).items()
    }
    clock = device_clock(images.device)
    with torch.inference_mode():
        samples = _sample(calls, clock, args.rounds, f"{timer.runtime}, {full}, {shape}")
    ideal_ms = median(samples["ideal"]) / 1e6
    counts = " ".join(map(str, schedule.tokens))
    print(f"\n{timer.runtime}, {full} tokens, {shape} ({counts}): ideal {ideal_ms:.2f} ms")
    for name, taken in samples.items():
        if name != "ideal":
            print(f"    {name:24} {_ratio(taken, samples['ideal'])}")


def main() -> None:
    """Print a block of lines for each runtime, model, image size and shape."""
    args = _arguments()
    start = perf_counter_ns()
    for name in args.model:
        for runtime in args.runtime:
            if args.threads:
                torch.set_num_threads(args.threads)
            timer = build_timer(
                runtime, name, batch=args.batch, device=args.device, threads=args.threads
            )
            assert isinstance(timer, ModuleTimer)
            place = timer.environment()
            print(f"\n{name}, batch {args.batch}, {place.device}, {place.threads} threads")
            for side in args.image:
                device = find_device(args.device)
                torch.manual_seed(0)
                model = timm.create_model(name, img_size=side).to(device).eval()
                for shape in args.shape:
                    _measure(timer, model, shape, args)
    print(f"\n{args.rounds} rounds, {(perf_counter_ns() - start) / 6e10:.1f} minutes")


if __name__ == "__main__":
    main()
