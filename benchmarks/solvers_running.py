"""One solve in a process of its own, so that the peak of memory is its own.

A program too: it reads a task on its input, pickled, and writes JSON. `run` starts it.
"""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from solvers_peers import loaded

from optimizer.checking import check
from optimizer.errors import SolverError
from optimizer.frontier import frontier
from optimizer.solution import Solution, Status

if TYPE_CHECKING:
    from optimizer.problem import Problem

__all__ = ["FRONTIER", "Run", "run", "run_frontier"]

FRONTIER = "frontier"
"""In place of a solver's name: every budget at once."""

_PATIENCE_S = 60
"""A peer that goes on for so long after its time limit is ended from outside."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a solver did with a problem.

    Attributes:
        wall_s: of the whole call, the model built; the median where it was repeated.
        cpu_s: of the process, all of its threads; likewise.
        peak_mb: of the process, Python and libraries included; 0 where it was ended
            from outside.
        solution: checked by `optimizer.checking`; None where there is none.
        points: of a frontier; 0 for a single solve.
        failure: why there is no solution, or what the check found; empty where all is well.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    solution: Solution | None = None
    points: int = 0
    failure: str = ""


def run(
    solver: str, problem: Problem, *, repeats: int = 1, limit_s: float | None = None
) -> Run:
    """Solve once or more; a check that fails is a failure.

    Args:
        solver: a name of `solvers_peers.loaded`, or `FRONTIER`.
        problem: what to solve.
        repeats: solves in the one process; times are their median.
        limit_s: given to the solver; None for no limit.
    """
    answer = _ask((solver, problem, repeats, limit_s), limit_s)
    fields = answer.pop("solution")
    found = Run(**answer)
    if fields is None:
        return found
    status, tokens, *numbers = fields
    solution = Solution(Status[status], tuple(tokens), *numbers)
    broken = check(problem, solution)
    return replace(found, solution=solution, failure="; ".join(broken))


def run_frontier(problem: Problem, *, repeats: int = 1) -> Run:
    """Every budget at once; the solution is what the frontier says for the problem's own."""
    return run(FRONTIER, problem, repeats=repeats)


def _ask(task: object, limit_s: float | None) -> dict[str, Any]:
    """What the process writes; or why it did not, which for a peer may be want of memory."""
    start = time.perf_counter()
    try:
        done = subprocess.run(  # noqa: S603 (this very file)
            [sys.executable, str(Path(__file__).resolve())],
            input=pickle.dumps(task),
            stdout=subprocess.PIPE,
            timeout=None if limit_s is None else limit_s + _PATIENCE_S,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        lost = {"cpu_s": 0.0, "peak_mb": 0.0, "solution": None, "failure": str(error)}
        return {"wall_s": time.perf_counter() - start, **lost}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _measured(
    solver: str, problem: Problem, repeats: int, limit_s: float | None
) -> dict[str, Any]:
    """What the process writes: the fields of `Run`, and the solution's as a list."""
    walls, cpus = [], []
    solution, points, failure = None, 0, ""
    solve = None if solver == FRONTIER else loaded(solver)
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            if solve is None:
                found = frontier(problem)
                points = len(found)
            else:
                solution = solve(problem, time_limit_s=limit_s)
        except SolverError as error:
            failure = str(error)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    if points:
        solution = found.at(problem.budget_ns) or replace(found[0], status=Status.INFEASIBLE)
    written = None
    if solution is not None:
        numbers = (solution.value, solution.latency_ns, solution.bound)
        written = [solution.status.name, solution.tokens, *numbers]
    return {
        "wall_s": median(walls),
        "cpu_s": median(cpus),
        "peak_mb": _peak_mb(),
        "solution": written,
        "points": points,
        "failure": failure,
    }


def _peak_mb() -> float:
    """Linux's own mark of this process; elsewhere getrusage, which may hold its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (at for at in status.read_text().splitlines() if at.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    given = pickle.load(sys.stdin.buffer)  # noqa: S301 (from `run`, which made it)
    print(json.dumps(_measured(*given)))
