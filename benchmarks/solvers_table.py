"""The tables of `solvers.py`: runs put together, as text that is Markdown as well."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from probing_table import aligned

from optimizer.solution import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from solvers_problems import Case
    from solvers_running import Run

__all__ = ["Row", "differences", "frontier_table", "ours_table", "peers_table", "worst"]


@dataclass(frozen=True, slots=True)
class Row:
    """A problem, our run of it, and another solver's where that has run.

    Attributes:
        case: the problem.
        ours: our run.
        solver: the other's name; empty for ours alone.
        other: the other's run; of the frontier where `solver` says so.
    """

    case: Case
    ours: Run
    solver: str = ""
    other: Run | None = None

    @property
    def met(self) -> bool:
        """Whether some schedule meets the budget."""
        found = self.ours.solution
        return found is not None and found.status is not Status.INFEASIBLE

    @property
    def finished(self) -> bool:
        """Whether the other one proved its answer."""
        found = None if self.other is None else self.other.solution
        return found is not None and found.status is not Status.TIME_LIMIT

    @property
    def gap(self) -> float | None:
        """What the other one had left to prove, in percent of our optimum; None if nothing."""
        found, ours = None if self.other is None else self.other.solution, self.ours.solution
        if found is None or ours is None:
            return None
        return 100 * found.gap / max(abs(ours.value), 1)


def differences(rows: Iterable[Row]) -> list[str]:
    """Every failed check of ours, and every answer of a peer that ours contradicts."""
    wrong = []
    for row in rows:
        label = f"{row.case.model}, {row.case.kind}, {row.case.name}"
        ours, other = row.ours.solution, None if row.other is None else row.other.solution
        if row.ours.failure or ours is None:
            wrong.append(f"{label}: ours: {row.ours.failure}")
        elif ours.status is Status.TIME_LIMIT:
            wrong.append(f"{label}: ours is not proved")
        elif other is not None and not _agree(row, ours.value, ours.latency_ns):
            wrong.append(f"{label}: ours is {ours}, {row.solver}'s {other}")
        if other is not None and row.other is not None and row.other.failure:
            wrong.append(f"{label}: {row.solver}: {row.other.failure}")
    return wrong


def _agree(row: Row, value: int, latency_ns: int) -> bool:
    """Equal where both are proved; else ours lies between the other's value and its bound."""
    assert row.ours.solution is not None
    assert row.other is not None
    found = row.other.solution
    assert found is not None
    if found.status is Status.TIME_LIMIT:
        met = row.ours.solution.status is Status.OPTIMAL
        return met and found.value <= value <= found.bound
    if found.status is not row.ours.solution.status:
        return False
    if found.status is Status.INFEASIBLE:
        return found.latency_ns == latency_ns
    return found.value == value


def ours_table(rows: Iterable[Row]) -> str:
    """A line per model and kind, and one for all of a model's."""
    head = ("model", "problems", "runs", "median ms", "p90 ms", "max ms", "peak MB", "checked")
    lines = [head]
    for (model, kind), group in _grouped(rows, lambda row: ("all", row.case.kind)).items():
        times_ms = [1e3 * row.ours.cpu_s for row in group]
        good = sum(not row.ours.failure for row in group)
        lines.append(
            (
                *(model, kind, str(len(group)), f"{np.median(times_ms):.1f}"),
                *(f"{np.percentile(times_ms, 90):.1f}", f"{max(times_ms):.1f}"),
                *(f"{max(row.ours.peak_mb for row in group):.0f}", f"{good} of {len(group)}"),
            )
        )
    return aligned(lines, numbers_from=2)


def peers_table(rows: Iterable[Row], limits_s: dict[str, float]) -> str:
    """A line per model, kind and peer; ratios are of the same problems."""
    head = (
        *("model", "problems", "peer", "runs", "ours ms", "peer s", "its CPU s", "finished"),
        *("widest gap %", "peak MB", "same value", "times slower", "least"),
    )
    lines: list[tuple[str, ...]] = [head]
    peers = [row for row in rows if row.other is not None]
    grouped = _grouped(
        peers, lambda row: (f"all, {row.solver}", f"{row.case.kind}, {row.solver}")
    )
    for (model, label), group in grouped.items():
        kind, _, solver = label.rpartition(", ")
        lines.append((model, kind, solver, *_peer_cells(group, limits_s[model])))
    return aligned(lines, numbers_from=3)


def _peer_cells(group: Sequence[Row], limit_s: float) -> tuple[str, ...]:
    runs = [row.other for row in group if row.other is not None]
    finished = [row for row in group if row.finished]
    middle = median(
        run.wall_s if row.finished else np.inf for row, run in zip(group, runs, strict=True)
    )
    ratios = [run.wall_s / row.ours.cpu_s for row, run in zip(group, runs, strict=True)]
    gaps = [row.gap for row in group if not row.finished]
    known = [gap for gap in gaps if gap is not None]
    widest = "no schedule" if len(known) < len(gaps) else f"{max(known, default=0.0):.2f}"
    bound = "" if len(finished) == len(group) else ">= "
    return (
        str(len(group)),
        f"{1e3 * median(row.ours.cpu_s for row in group):.1f}",
        f"{middle:.1f}" if np.isfinite(middle) else f"> {limit_s:g}",
        f"{median(run.cpu_s for run in runs):.1f}",
        f"{len(finished)} of {len(group)}",
        widest if gaps else "-",
        f"{max(run.peak_mb for run in runs):.0f}",
        f"{sum(not differences([row]) for row in finished)} of {len(finished)}",
        f"{bound}{median(ratios):.0f}",
        f"{min(ratios):.0f}",
    )


def frontier_table(rows: Iterable[Row]) -> str:
    """A line per model and kind: the whole frontier, and whether it says what a solve says."""
    head = (
        "model",
        "whole frontier of",
        "n",
        "points",
        "median ms",
        "max ms",
        "peak MB",
        "same",
    )
    lines = [head]
    for (model, kind), group in _grouped(rows, lambda row: ("all", row.case.kind)).items():
        runs = [row.other for row in group if row.other is not None]
        same = sum(not differences([row]) for row in group)
        points, times_ms = [run.points for run in runs], [1e3 * run.cpu_s for run in runs]
        lines.append(
            (
                *(model, kind, str(len(group)), f"{min(points)} to {max(points)}"),
                *(f"{median(times_ms):.1f}", f"{max(times_ms):.1f}"),
                *(f"{max(run.peak_mb for run in runs):.0f}", f"{same} of {len(group)}"),
            )
        )
    return aligned(lines, numbers_from=2)


def worst(rows: Sequence[Row], most: int = 5) -> list[str]:
    """Each model's slowest problems, by name."""
    lines = []
    for (model, _), group in _grouped(rows, lambda _: ("all",)).items():
        slowest = sorted(group, key=lambda row: -row.ours.cpu_s)[:most]
        lines += [
            f"{model}: {1e3 * row.ours.cpu_s:.1f} ms: {row.case.kind}: {row.case.name}"
            for row in slowest
        ]
    return lines


def _grouped(
    rows: Iterable[Row], labels: Callable[[Row], tuple[str, ...]]
) -> dict[tuple[str, str], list[Row]]:
    """By model and label, models in their order, and each model's labels in theirs."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        of_model = groups.setdefault(row.case.model, {})
        for label in labels(row):
            of_model.setdefault(label, []).append(row)
    return {
        (model, label): of_label[label]
        for model, of_label in groups.items()
        for label in sorted(of_label, key=lambda each: each.startswith("all"))
    }
