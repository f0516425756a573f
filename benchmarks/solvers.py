"""Our solver beside HiGHS and OR-tools' CP-SAT, on the same problems: time, memory, value.

    python benchmarks/solvers.py
    python benchmarks/solvers.py --quick
    python benchmarks/solvers.py --model DINOv2-g --every 4 --peers 0
    python benchmarks/solvers.py --model ViT-L/384 --kind "measured, cuts cost"
    python benchmarks/solvers.py --model 12x197 --peers 3 --limit 300 --each

CP-SAT needs `pip install 'token-budget[bench]'`. The whole takes hours, nearly all of them the
peers': they get as many problems of each kind as `--peers` says, of those that some schedule
meets, drawn alike every time.

Every solve has a process of its own, started for it; loading libraries is not in its times.
Ours is in process time, which on a machine that does nothing else is the wall time, since
it uses one thread; on DeiT-S it is the median of three solves. The peers' is wall time, what
their user waits for: both use all cores, if they can. Their own process time stands beside
it. All of it holds the making of their models. A peer's median counts what did not finish as
longer than the limit.

Columns, of the peers: widest gap, what was left to prove at the limit, in percent of the
optimum; same value, of those that finished; times slower, the median of the ratio to ours
within a problem (at least, where some did not finish), and least, the smallest of them.
Every solution is checked by `optimizer.checking`. The last line says whether all agree; where
they do not, each difference is named and the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from solvers_peers import OURS, PEERS, lacking
from solvers_problems import KINDS, MODELS, Case, size_of, suite
from solvers_running import FRONTIER, Run, run, run_frontier
from solvers_table import Row, differences, frontier_table, ours_table, peers_table, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

_SMALL = 12 * 197
"""Blocks times tokens: up to here solves are repeated, and whole frontiers are made."""

_WITH_FRONTIER = (*KINDS[:4], KINDS[6])
"""Values that are counts of tokens: of other values a frontier has too many points."""

_SMALL_LIMIT_S, _LIMIT_S, _QUICK_LIMIT_S = 120.0, 60.0, 10.0


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", help=f"of {', '.join(MODELS)}, or like 12x197")
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=KINDS, metavar="KIND")
    parser.add_argument("--every", type=_positive, default=1, help="every so many-th problem")
    parser.add_argument("--peers", type=_whole, default=1, help="problems of a kind for each")
    parser.add_argument("--limit", type=_positive, help="seconds of a peer; 60, DeiT-S 120")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="DeiT-S alone if no model is named, one problem of a kind, peers 10 s",
    )
    parser.add_argument("--each", action="store_true", help="a line per run as well")
    return parser.parse_args()


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value}: must be 0 or more")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: must be 1 or more")
    return value


def _small(model: str) -> bool:
    depth, full = size_of(model)
    return depth * full <= _SMALL


def _bar(cases: Sequence[T], doing: str) -> Iterable[T]:
    talk = Console(stderr=True)
    return track(cases, description=doing, console=talk, transient=True)


def _sample(cases: Sequence[Case], most: int) -> list[Case]:
    """So many of each kind, drawn alike at every call."""
    chosen: list[Case] = []
    for kind in KINDS:
        places = [place for place, case in enumerate(cases) if case.kind == kind]
        drawn = Random(kind).sample(places, min(most, len(places)))  # noqa: S311 (no secret)
        chosen += [cases[place] for place in sorted(drawn)]
    return chosen


def _said(case: Case, solver: str, done: Run) -> str:
    found = done.solution
    answer = done.failure if found is None else f"{found.status.name} {found.value}"
    gap = f" gap {found.gap}" if found is not None and found.gap else ""
    return (
        f"{case.model}: {case.kind}: {case.name}: {solver}: wall {done.wall_s:.4f} s, "
        f"CPU {done.cpu_s:.4f} s, peak {done.peak_mb:.0f} MB: {answer}{gap}"
    )


class _Benchmark:
    """Runs that are asked for, one after another."""

    def __init__(self, *, each: bool, quick: bool) -> None:
        self._each, self._quick = each, quick

    def ours(self, cases: Sequence[Case], model: str) -> list[Row]:
        """Our solver on all of them."""
        repeats = 3 if _small(model) and not self._quick else 1
        return [
            Row(case, self._told(case, OURS, run(OURS, case.make(), repeats=repeats)))
            for case in _bar(cases, f"{model}: ours")
        ]

    def peer(self, rows: Sequence[Row], model: str, solver: str, limit_s: float) -> list[Row]:
        """A peer on the problems of some of those rows."""
        return [
            replace(
                row,
                solver=solver,
                other=self._told(
                    row.case, solver, run(solver, row.case.make(), limit_s=limit_s)
                ),
            )
            for row in _bar(rows, f"{model}: {solver}, {limit_s:g} s each at most")
        ]

    def frontiers(self, rows: Sequence[Row], model: str) -> list[Row]:
        """Whole frontiers, of the problems that differ in more than the budget."""
        first: dict[tuple[str, str], Row] = {}
        for row in rows:
            if row.case.kind in _WITH_FRONTIER:
                but_budget = row.case.name.rpartition(", ")[0]
                first.setdefault((row.case.kind, but_budget), row)
        repeats = 1 if self._quick else 3
        return [
            replace(row, solver=FRONTIER, other=run_frontier(row.case.make(), repeats=repeats))
            for row in _bar(list(first.values()), f"{model}: frontiers")
        ]

    def _told(self, case: Case, solver: str, done: Run) -> Run:
        if self._each:
            print(_said(case, solver, done), flush=True)
        return done


def main() -> None:
    """Print the tables."""
    given = _arguments()
    models = given.model or (["DeiT-S"] if given.quick else list(MODELS))
    limits = {
        model: given.limit
        or (_QUICK_LIMIT_S if given.quick else _SMALL_LIMIT_S if _small(model) else _LIMIT_S)
        for model in models
    }
    missing = {peer: lacking(peer) for peer in PEERS if given.peers}
    for message in filter(None, missing.values()):
        print(f"skipped: {message}", file=sys.stderr)
    benchmark = _Benchmark(each=given.each, quick=given.quick)
    ours: list[Row] = []
    peers: list[Row] = []
    frontiers: list[Row] = []
    for model in models:
        cases = [case for case in suite(model) if case.kind in given.kind][:: given.every]
        mine = benchmark.ours(_sample(cases, 1) if given.quick else cases, model)
        ours += mine
        if _small(model):
            frontiers += benchmark.frontiers(mine, model)
        met = [row.case for row in mine if row.met]
        chosen = {id(case) for case in _sample(met, given.peers)}
        for peer in (peer for peer, message in missing.items() if message is None):
            few = [row for row in mine if id(row.case) in chosen]
            peers += benchmark.peer(few, model, peer, limits[model])
    _print(ours, peers, frontiers, limits)


def _print(
    ours: list[Row], peers: list[Row], frontiers: list[Row], limits_s: dict[str, float]
) -> None:
    print(ours_table(ours))
    print("\nslowest:", *worst(ours), sep="\n  ")
    if frontiers:
        print(f"\n{frontier_table(frontiers)}")
    if peers:
        print(f"\n{peers_table(peers, limits_s)}")
    wrong = differences([*ours, *peers, *frontiers])
    if wrong:
        sys.exit("\n".join(["", "differences:", *wrong]))
    print(f"\nall {len(ours) + len(peers) + len(frontiers)} runs agree, and all checks hold")


if __name__ == "__main__":
    main()
