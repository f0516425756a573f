"""Do planned latencies hold on this machine? Probe it, plan, cut, run, compare.

    python benchmarks/budgets.py --model deit_small_patch16_224 --shares 50 65 80

Each round probes anew, then plans and verifies every share; the table gives the median over
rounds and the spread. Cut and uncut model run in turn, so their ratio is free of drift.
"""

from __future__ import annotations

import argparse
from statistics import median

from rich.progress import track

from latmodel.measuring import probe_profile
from latmodel.runtimes.torch_eager import TorchEager
from optimizer.budget import Budget
from optimizer.optimizing import optimize
from optimizer.verifying import Verification, verify


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="deit_small_patch16_224")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default=None)
    parser.add_argument("--shares", type=int, nargs="+", default=[50, 65, 80])
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    """Print one line per share."""
    arguments = _arguments()
    timer = TorchEager(arguments.model, batch=arguments.batch, device=arguments.device)
    found: dict[int, list[Verification]] = {share: [] for share in arguments.shares}
    for _ in track(range(arguments.rounds), description="probe, plan, run", transient=True):
        profile = probe_profile(timer, name="here")
        for share, verifications in found.items():
            plan = optimize(
                arguments.model,
                budget=Budget.parse(f"{share}%"),
                profile=profile,
                batch=arguments.batch,
            )
            verifications.append(verify(plan, device=arguments.device))
    environment = timer.environment()
    print(
        f"{arguments.model}, batch {arguments.batch}, {environment.device}, "
        f"{environment.threads} threads, torch {environment.torch}, medians of "
        f"{arguments.rounds} rounds"
    )
    print("share  predicted ms  measured ms  error (worst)     ratio planned  ratio measured")
    for share, runs in found.items():
        errors = [run.error for run in runs]
        print(
            f"{share:4d} %  {median(r.predicted_ns for r in runs) / 1e6:12.2f}  "
            f"{median(r.measured_ns for r in runs) / 1e6:11.2f}  "
            f"{median(errors):+6.1%} ({max(errors, key=abs):+6.1%})  "
            f"{median(r.predicted_ratio for r in runs):13.3f}  "
            f"{median(r.ratio for r in runs):14.3f}"
        )


if __name__ == "__main__":
    main()
