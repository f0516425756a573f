"""How well does our probing learn a latency curve, beside other uses of the same probes?

    python benchmarks/probing.py
    python benchmarks/probing.py --quick
    python benchmarks/probing.py --each --family "RTX 3090, 197" --noise 0

Curves that are known whole (`probing_curves.py`, `probing_staircases.py`) are replayed count
by count to `latmodel.probing.probe_curve`, and to baselines that measure as many counts at
equal distances, as often as ours measured each on average, and take medians. The full sweep
measures every count so often; FLOPs reads the full count alone, and takes latency to be
proportional to tokens.

Noise is one standard deviation of a reading; 2 % of the readings take three times as long
besides. Without noise (0) a reading is the truth.

Columns, over all counts (budgets) of a family's curves and of all seeds together:

- counts, readings: measured per curve, the mean.
- error: of the latency at every count, measured or not, relative to the truth: the mean and
  the 95th percentile. Calm: outside chaotic zones.
- edges found: of the lasting edges outside chaotic zones, those given to the exact token.
  False alarms: edges given where there is none. Ours gives its located edges; any other
  method gives each step of 5 % between neighbours that its curve holds.
- covered: counts whose true latency is at most our 95 % bound.
- over, loss: of the best schedules of a model of 12 such blocks within 40, 45, ... 95 % of
  the unpruned latency, planned by the predicted curve. Over is the 95th percentile of the
  true latency above the budget (0 if within), of all schedules planned. Loss is the mean
  share of tokens lost against the schedule planned by the truth (0 if more are kept, all
  if none is planned), of all budgets that can be met.

Definitions:

- Chaotic zone: counts where the median, over the 9 nearest counts, of half the absolute
  second difference of the log latency exceeds 4 %.
- Lasting edge: |y[n+1] / y[n] - 1| is 5 % or more; the medians of the 4 counts on each side
  differ by 5 % or more in the same direction; and the spread (largest less smallest) within
  each side is below half the step. Where counts are missing (Vidur, GEMM), there are no
  zones, and every step of 5 % between counts next to each other is an edge.
- Found: a step of 4 % or more in the true direction is given there. False alarm: a step of
  5 % or more is given where the true step in its direction is below 4 %.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from probing_curves import Replayed, measured_curves
from probing_methods import Result, Trial, try_methods
from probing_staircases import made_up_curves
from probing_table import HEAD, aligned, grouped, line
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

import latmodel

if TYPE_CHECKING:
    from collections.abc import Sequence

_QUICK = 3
"""With --quick, every third curve of a family is tried: both sizes, and both smooth shapes."""


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: must be 1 or more")
    return value


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text}: must be between 0 and 100")
    return value


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", action="store_true", help="a line per curve, not per family")
    parser.add_argument("--family", action="append", help="only these; may be repeated")
    parser.add_argument(
        "--noise", type=_percent, nargs="+", default=[0, 3, 8], help="in percent"
    )
    parser.add_argument("--seeds", type=_positive, help="noisy runs per curve; 3, quick 1")
    parser.add_argument("--quick", action="store_true", help="every third curve, one seed")
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count(), help="processes")
    return parser.parse_args()


def _curves(families: Sequence[str] | None, *, quick: bool) -> list[Replayed]:
    """Families in a lasting order, and within them the curves in theirs."""
    by_family: dict[str, list[Replayed]] = {}
    for curve in (*measured_curves(), *made_up_curves()):
        by_family.setdefault(curve.family, []).append(curve)
    chosen = families or list(by_family)
    unknown = sorted(set(chosen) - by_family.keys())
    if unknown:
        sys.exit(f"no family is named {unknown[0]!r}; there are: {', '.join(by_family)}")
    step = _QUICK if quick else 1
    return [curve for family in chosen for curve in by_family[family][::step]]


def _trials(curves: Sequence[Replayed], noises: Sequence[float], seeds: int) -> list[Trial]:
    """Without noise every seed would be the same."""
    return [
        Trial(curve, noise / 100, seed)
        for noise in noises
        for curve in curves
        for seed in range(seeds if noise else 1)
    ]


def _run(trials: Sequence[Trial], jobs: int) -> list[Result]:
    # One thread each: the processes share the cores already.
    with ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=threadpool_limits,
        initargs=(1,),
    ) as pool:
        runs = track(
            pool.map(try_methods, trials),
            description="probing",
            total=len(trials),
            console=Console(stderr=True),
            transient=True,
        )
        return [result for run in runs for result in run]


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    curves = _curves(arguments.family, quick=arguments.quick)
    seeds = (1 if arguments.quick else 3) if arguments.seeds is None else arguments.seeds
    # An installed copy may come before the one beside this file.
    print(f"trying {Path(latmodel.__file__).parent}", file=sys.stderr)
    results = _run(_trials(curves, arguments.noise, seeds), arguments.jobs)
    lines = [line(key, of) for key, of in grouped(results, each=arguments.each).items()]
    print(aligned([HEAD, *lines]))
    seconds = [result.seconds for result in results if result.method == "ours"]
    print(
        f"\n{len(curves)} curves; noisy runs of each: {seeds}; our probing itself computes "
        f"{np.mean(seconds):.2f} s a curve, {np.max(seconds):.2f} s at most"
    )


if __name__ == "__main__":
    main()
