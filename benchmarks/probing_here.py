"""What does probing cost on this machine, beside timing every token count?

    python benchmarks/probing_here.py
    python benchmarks/probing_here.py --sweep-seconds 2

In one run: a whole `latmodel probe` (of blocks, MLP halves, cut and ends), then a sweep as
POMT makes it, every count in turn for so many seconds, then the probe once more.

The sweep times blocks alone and gives each count --sweep-seconds, 0.2 by default. POMT gives
each about 2 s; what that would take is then said as well: the counts times 2 s, without what
lies between, so that it is too little rather than too much. With --sweep-seconds 2 it is
measured.

The two probings agree at a count where their latencies differ by no more than 1.96 times the
root of the sum of their squared errors, as the curves state them: 95 % of counts, where the
errors are stated well. The machine's speed may have changed between the two, which the
errors do not hold. Against the sweep the relative difference at every count is given; the
sweep is no truth, for it holds drift and interrupted calls of its own.
"""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from latmodel.measurement import Measurement
from latmodel.measuring import probe_profile
from latmodel.runtimes.torch_eager import TorchEager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from latmodel.curve import Curve

__all__ = ["Sweep", "agreement", "probe_blocks", "sweep"]

_POMT_S = 2.0
"""Seconds that a full sweep spends at each count."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Blocks timed at every count.

    Attributes:
        counts: shape (C,), tokens.
        latency_ns: shape (C,), the median of the calls that nothing interrupted.
        readings: of all counts together.
        seconds: that the sweep took.
    """

    counts: npt.NDArray[np.int64]
    latency_ns: npt.NDArray[np.float64]
    readings: int
    seconds: float


def probe_blocks(timer: TorchEager) -> tuple[Curve, float]:
    """The curve of all blocks, and the seconds that the whole probing took."""
    started = perf_counter()
    profile = probe_profile(timer, name="here")
    return profile.curves[0].blocks, perf_counter() - started


def sweep(timer: TorchEager, seconds: float, on_count: Callable[[], object]) -> Sweep:
    """Time all blocks at every count in turn.

    Args:
        timer: a runtime with a model.
        seconds: for each count; a reading that has begun is finished, and three are taken
            at least, because a call may be interrupted and take a hundred times as long.
        on_count: called after each count.
    """
    counts = np.arange(1, timer.workload.tokens + 1)
    latencies, readings = [], 0
    started = perf_counter()
    for count in counts.tolist():
        begun = perf_counter()
        taken = list(timer.blocks_ns(count, repeats=3))
        while perf_counter() - begun < seconds:
            taken += timer.blocks_ns(count, repeats=1)
        latencies.append(Measurement(count, tuple(taken)).centre_ns)
        readings += len(taken)
        on_count()
    return Sweep(
        counts, np.array(latencies, dtype=np.float64), readings, perf_counter() - started
    )


def agreement(one: Curve, other: Curve, counts: npt.NDArray[np.int64]) -> float:
    """The share of counts at which two curves agree within their errors."""
    a, b = one.latency_ns(counts), other.latency_ns(counts)
    error = np.hypot(one.relative_error(counts) * a, other.relative_error(counts) * b)
    return float(np.mean(np.abs(a - b) <= 1.96 * error))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str, int], None]]:
    """A bar drawn between readings only: a thread that draws takes time from them."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=total)

        def show(what: str, more: int) -> None:
            bar.update(task, description=what, advance=more)
            bar.refresh()

        yield show


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="deit_small_patch16_224")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default=None)
    parser.add_argument("--sweep-seconds", type=float, default=0.2, help="for each count")
    return parser.parse_args()


def _report(swept: Sweep, seconds: float, runs: list[tuple[Curve, float]]) -> None:
    counts = len(swept.counts)
    print(f"{'what':26}{'counts':>8}{'seconds':>9}")
    for i, (curve, took) in enumerate(runs):
        print(f"{f'probe, all parts, run {i + 1}':26}{len(curve.counts):8}{took:9.1f}")
    what = f"sweep, {seconds:g} s a count"
    print(f"{what:26}{counts:8}{swept.seconds:9.1f}  ({swept.readings} readings, measured)")
    if seconds < _POMT_S:
        what, least_s = f"sweep, {_POMT_S:g} s a count", counts * _POMT_S
        print(f"{what:26}{counts:8}{least_s:9.1f}  (computed: counts times seconds)")
    share = agreement(runs[0][0], runs[1][0], swept.counts)
    print(f"the probings agree within their errors at {share:.1%} of counts")
    for i, (curve, _) in enumerate(runs):
        off = np.abs(curve.latency_ns(swept.counts) / swept.latency_ns - 1)
        print(
            f"run {i + 1} differs from the sweep by {np.median(off):.1%} in the median, "
            f"{np.percentile(off, 95):.1%} at the 95th percentile"
        )


def main() -> None:
    """Probe, sweep, probe; print what each took and how they agree."""
    arguments = _arguments()
    timer = TorchEager(arguments.model, batch=arguments.batch, device=arguments.device)
    workload, environment = timer.workload, timer.environment()
    with _progress(workload.tokens + 2) as show:
        show("probing, first", 0)
        first = probe_blocks(timer)
        show("sweeping", 1)
        swept = sweep(timer, arguments.sweep_seconds, lambda: show("sweeping", 1))
        show("probing, second", 0)
        second = probe_blocks(timer)
    print(
        f"{arguments.model}, batch {arguments.batch}, {environment.device}, "
        f"{environment.threads} threads, torch {environment.torch}\n"
    )
    _report(swept, arguments.sweep_seconds, [first, second])


if __name__ == "__main__":
    main()
