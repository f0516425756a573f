"""What each budget buys: the whole frontier of one model on one device, from one solve.

python examples/every_budget.py vit_base_patch16_224 jetson
"""

from __future__ import annotations

import sys

import latmodel
from optimizer.frontier import frontier
from optimizer.optimizing import problem_for


def main(model: str, profile: str, batch: int = 8, rows: int = 12) -> None:
    """Print about `rows` points of the frontier, from the tightest budget to the loosest."""
    workload = latmodel.find_workload(model, batch=batch)
    table = latmodel.read_profile(profile).table(workload)
    points = frontier(problem_for(table, workload, budget_ns=table.dense_ns))
    everything = workload.tokens * workload.depth
    print(f"{model}, batch {batch}, on {profile}: {len(points)} budgets worth telling apart")
    for point in (*points[:: -(-len(points) // rows)], points[-1]):
        print(
            f"{point.latency_ns / 1e6:9.3f} ms  {point.value / everything:6.1%} kept  "
            f"{min(point.tokens):4d} to {max(point.tokens)} tokens"
        )


if __name__ == "__main__":
    main(*sys.argv[1:3] or ("vit_base_patch16_224", "jetson"))
