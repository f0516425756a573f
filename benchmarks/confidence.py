"""Do budgets hold as often as was asked, and what does that cost?

    python benchmarks/confidence.py

Two tables. The first: plans of shipped profiles, with 95 % confidence and without, at budgets
of 60 to 240 % of dense wherever the former can be kept and cuts something; and 20,000 draws of
the error model for each: the share within the budget, and the tokens lost. The second: a model
of 12 blocks on curves that are known whole (an RTX 3090 at every count, from
`../shared/data`), each planned from a profile with 24 probes: the same by draws, and by the
true curve, which the error model had no part in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from probing_curves import SIZES, measured_curves
from rich.progress import track

from latmodel.catalogue import read_profile
from latmodel.probing import probe_curve
from latmodel.uncertainty import Uncertainty
from latmodel.workloads import find_workload
from optimizer.confidence import solve_confident
from optimizer.errors import SolverError
from optimizer.optimizing import problem_for
from optimizer.problem import Problem
from optimizer.solution import Status

if TYPE_CHECKING:
    from probing_curves import Floats, Ints, Replayed

__all__ = ["Row", "drawn_share", "main", "true_problem"]

CONFIDENCE = 0.95
DRAWS = 20_000
DEPTH = 12
SHARES = (60, 65, 70, 75, 80, 85, 90, 95)
"""Of dense, in percent, where errors are of a few per cent."""

WIDE = range(60, 241, 10)
"""The same for shipped profiles: an error of 30 % takes 1.6 times as much to be sure."""

PROFILES = ("jetson", "jetson-orin-nano", "a100", "t4", "v100", "raspberry-pi-4", "h200")
MODELS = (("deit_small_patch16_224", 8), ("vit_base_patch16_224", 1))


@dataclass(frozen=True, slots=True)
class Row:
    """One plan with confidence beside the plain one; all but the last two are shares.

    Attributes:
        sure: draws in which it keeps the budget.
        plain: draws in which the plain plan does.
        lost: tokens that it keeps less.
        gap: tokens that a better one could keep more at most.
        sure_over: how far it is over the budget by the true curve.
        plain_over: the same of the plain plan.
    """

    sure: float
    plain: float
    lost: float
    gap: float
    sure_over: float = 0.0
    plain_over: float = 0.0


def drawn_share(problem: Problem, errors: Uncertainty, tokens: tuple[int, ...]) -> float:
    """The share of draws of the error model that are within the budget."""
    rng = np.random.default_rng(0)
    spent = problem.latency_by_count(tokens)
    used = np.flatnonzero(spent)
    groups, of = np.unique(errors.groups[used], return_inverse=True)
    device = rng.standard_normal((DRAWS, 1))
    own = rng.standard_normal((DRAWS, len(groups)))
    logs = device * errors.shared[used] + own[:, of] * errors.independent[used]
    return float(np.mean(np.exp(logs) @ spent[used] <= problem.budget_ns))


def _row(problem: Problem, errors: Uncertainty, truth: Problem | None = None) -> list[Row]:
    """Nothing where the budget cannot be kept so surely, or binds nothing."""
    try:
        found = solve_confident(problem, errors, CONFIDENCE)
    except SolverError:
        return []
    solution, plain = found.solution, found.plain
    if solution.status is Status.INFEASIBLE or set(solution.tokens) == {problem.full}:
        return []
    over = [
        0.0 if truth is None else truth.latency_ns(each.tokens) / problem.budget_ns - 1
        for each in (solution, plain)
    ]
    row = Row(
        sure=drawn_share(problem, errors, solution.tokens),
        plain=drawn_share(problem, errors, plain.tokens),
        lost=found.lost / plain.value,
        gap=solution.gap / solution.value,
        sure_over=over[0],
        plain_over=over[1],
    )
    return [row]


def _shipped() -> list[Row]:
    rows: list[Row] = []
    for name in track(PROFILES, description="shipped profiles", transient=True):
        profile = read_profile(name)
        for model, batch in MODELS:
            workload = find_workload(model, batch=batch, dtype=profile.default_dtype)
            table = profile.table(workload)
            for share in WIDE:
                budget_ns = table.dense_ns * share // 100
                problem = problem_for(table, workload, budget_ns=budget_ns)
                rows += _row(problem, table.parts)
    return rows


def true_problem(curve: Replayed, latency_ns: Floats | Ints, share: int) -> Problem:
    """A model of alike blocks whose cuts cost nothing, its budget of the true dense latency."""
    segments = np.tile(np.ceil(latency_ns).astype(np.int64), (DEPTH, 1))
    return Problem(
        counts=curve.counts,
        value=np.tile(curve.counts, (DEPTH, 1)),
        segment_ns=segments,
        cut_ns=np.zeros_like(segments),
        fixed_ns=0,
        budget_ns=int(DEPTH * curve.latency_ns[-1]) * share // 100,
        earliest_cut=DEPTH // 4,
    )


def _known_curves() -> list[Row]:
    dense = [c for c in measured_curves() if c.dense and c.counts[-1] == min(SIZES)]
    rows: list[Row] = []
    for curve in track(dense, description="known curves", transient=True):
        read = dict(zip(curve.counts.tolist(), curve.latency_ns.tolist(), strict=True))
        probed = probe_curve(read.__getitem__, tokens=list(read), max_probes=curve.probes)
        errors = Uncertainty(
            # A recorded curve is its own device: no day, no clock, no calibration.
            shared=np.zeros(len(curve.counts)),
            independent=probed.relative_error(curve.counts),
            groups=probed.error_groups(curve.counts),
        )
        for share in SHARES:
            planned = true_problem(curve, probed.latency_ns(curve.counts), share)
            rows += _row(planned, errors, true_problem(curve, curve.latency_ns, share))
    return rows


def _print(title: str, rows: list[Row], *, truth: bool) -> None:
    def of(name: str) -> Floats:
        return np.array([getattr(row, name) for row in rows])

    print(f"{title}: {len(rows)} plans")
    print(f"  {'':<34}{'with 95 %':>12}{'plain':>12}")
    for words, reduce in (("least share of draws within", np.min), ("mean", np.mean)):
        print(f"  {words:<34}{reduce(of('sure')):>12.2%}{reduce(of('plain')):>12.2%}")
    if truth:
        within = [np.mean(of(name) <= 0) for name in ("sure_over", "plain_over")]
        worst = [np.max(of(name)) for name in ("sure_over", "plain_over")]
        print(f"  {'within by the true curve':<34}{within[0]:>12.2%}{within[1]:>12.2%}")
        print(f"  {'furthest over by the true curve':<34}{worst[0]:>+12.2%}{worst[1]:>+12.2%}")
    lost, gap = of("lost"), of("gap")
    proved = f"{np.sum(gap == 0)} proved optimal"
    print(f"  tokens lost: mean {lost.mean():.2%}, most {lost.max():.2%}")
    print(
        f"  a better one keeps {gap.max():.2%} more at most (mean {gap.mean():.2%}); {proved}"
    )


def main() -> None:
    """Print both tables."""
    _print("shipped profiles", _shipped(), truth=False)
    _print("curves known whole, 24 probes", _known_curves(), truth=True)


if __name__ == "__main__":
    main()
