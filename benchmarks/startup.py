"""How long a user waits for an answer: `optimize` beside `python -c "import timm"`, a table.

    python benchmarks/startup.py

Whole processes, in turn, so that a change of the machine's speed meets both alike. The solve
alone is timed in this process, and so is the table of ViT-L at 577 tokens from the shipped
profile whose file is largest: the first one, which prepares its trees, and those after it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from rich.progress import track

from latmodel.catalogue import read_profile, shipped_profiles
from latmodel.files import data_folder
from latmodel.workloads import find_workload
from optimizer.budget import Budget
from optimizer.optimizing import problem_for
from optimizer.solution import Status
from optimizer.solving import solve

ROUNDS = 7
LARGE = "vit_large_patch16_384"

_OPTIMIZE = [
    *(sys.executable, "-m", "optimizer"),
    *("--budget", "20ms", "--device-profile", "jetson.yaml"),
]
_IMPORT = [sys.executable, "-c", "import timm"]


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 (our own command)
    return time.perf_counter() - start


def _solve_ms(share: str) -> float:
    workload = find_workload("deit_small_patch16_224", batch=8)
    table = read_profile("jetson").table(workload)
    budget = Budget.parse(share).within(table.dense_ns)
    problem = problem_for(table, workload, budget_ns=budget)
    start = time.perf_counter()
    solution = solve(problem)
    taken_ms = 1e3 * (time.perf_counter() - start)
    assert solution.status is Status.OPTIMAL
    return taken_ms


def _table_ms() -> tuple[str, list[float]]:
    """The largest profile's name, and its tables' times; the first is by itself."""
    size = {n: (data_folder() / f"{n}.yaml").stat().st_size for n in shipped_profiles()}
    name = max(size, key=lambda each: size[each])
    profile = read_profile(name)
    workload = find_workload(LARGE, dtype=profile.default_dtype)
    taken = []
    for _ in range(1 + 3 * ROUNDS):
        start = time.perf_counter()
        profile.table(workload)
        taken.append(1e3 * (time.perf_counter() - start))
    return f"{name} ({size[name] / 1e3:.0f} kB)", taken


def main() -> None:
    """Print the medians, their ratio and their spread."""
    ours, imports = [], []
    for _ in track(range(ROUNDS), description="whole processes in turn", transient=True):
        ours.append(_seconds(_OPTIMIZE))
        imports.append(_seconds(_IMPORT))
    ratios = [a / b for a, b in zip(ours, imports, strict=True)]
    for name, runs in (("optimize", ours), ("import timm", imports)):
        print(f"{name:<12} median {median(runs):6.2f} s  ({min(runs):.2f} to {max(runs):.2f})")
    spread = f"({min(ratios):.3f} to {max(ratios):.3f})"
    print(f"{'ratio':<12} median {median(ratios):6.3f}    {spread}")
    for share in ("60%", "75%", "90%"):
        solves = [_solve_ms(share) for _ in range(ROUNDS)]
        print(f"solve at {share}: median {median(solves):.1f} ms, worst {max(solves):.1f} ms")
    name, (first, *tables) = _table_ms()
    print(
        f"table of {LARGE} from {name}: first {first:.1f} ms, then median "
        f"{median(tables):.1f} ms, worst {max(tables):.1f} ms"
    )


if __name__ == "__main__":
    main()
