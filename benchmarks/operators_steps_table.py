"""The tables of steps of `operators.py`, as text that is Markdown as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from operators_fits import OURS, TREES
from operators_steps import (
    FIRST_ROWS,
    LARGE,
    Signs,
    agreement,
    beside,
    majority,
    noise,
    pairs,
    relative,
    signs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from operators_fits import Outcome

    from latmodel.operator_readings import OperatorReadings

__all__ = ["NOISE_HEAD", "STEP_HEAD", "ceiling_lines", "noise_lines", "step_lines"]

STEP_HEAD = (
    "device",
    "unseen",
    "method",
    "bar %",
    "steps",
    "right %",
    "up %",
    "down %",
    "9-15 %",
    "15-30 %",
    "above",
    "size read %",
    "size said %",
)
NOISE_HEAD = ("device", "latency us", "pairs", "deviation %", "large %", "steps", "by noise")

BARS = {("h200", OURS): 90.0}
"""Share of large steps whose sign is to be right, in percent."""

_EDGES_NS = np.array([0.0, 6.0, 12.0, 40.0, 100.0, np.inf]) * 1e3


def step_lines(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    """Signs foreseen by every method on pairs both of which are unseen."""
    for outcome in outcomes:
        of = pairs(outcome.unseen)
        rows = outcome.unseen.sizes["rows"][of[:, 0]]
        of, rows = of[rows >= FIRST_ROWS], rows[rows >= FIRST_ROWS]
        if not len(of):
            continue
        read = relative(outcome.unseen.latency_ns, of)
        said = {
            "always up": np.ones(len(of)),
            "majority at these rows": majority(outcome.seen, rows),
            TREES: relative(outcome.said[TREES], of),
            OURS: relative(outcome.said[OURS], of),
        }
        task = outcome.task
        for method, steps in said.items():
            bar = BARS.get((task.source, method))
            label = "" if bar is None else f"{bar:g}"
            sized = method in (TREES, OURS)  # the others tell a sign, no size
            yield (task.source, task.split, method, label, *_cells(signs(steps, read), sized))


def ceiling_lines(source: str, readings: OperatorReadings) -> Iterator[tuple[str, ...]]:
    """How often the step measured at the next larger size has the same sign."""
    of = _large_rows(readings)
    read = relative(readings.latency_ns, of)
    for name in ("in_features", "out_features"):
        found = agreement(read, beside(readings, of, name=name))
        label = f"measured, next {name}"
        yield (source, "nothing", label, "", *_cells(found, sized=True))


def noise_lines(source: str, readings: OperatorReadings) -> Iterator[tuple[str, ...]]:
    """How many large steps the scatter of equal work would make, by latency."""
    of = _large_rows(readings)
    large = np.abs(relative(readings.latency_ns, of)) > LARGE
    latency_ns = readings.latency_ns[of[:, 0]]
    scatter = noise(readings, _EDGES_NS)
    for low, high, (count, deviation, share) in zip(
        _EDGES_NS[:-1].tolist(), _EDGES_NS[1:].tolist(), scatter, strict=True
    ):
        here = (latency_ns >= low) & (latency_ns < high)
        yield (
            source,
            f"{low / 1e3:g} to {high / 1e3:g}" if np.isfinite(high) else f"{low / 1e3:g} up",
            str(count),
            f"{deviation:.1f}",
            f"{share:.1f}",
            f"{int(large[here].sum())} of {int(here.sum())}",
            f"{here.sum() * share / 100:.0f}",
        )


def _large_rows(readings: OperatorReadings) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    of = pairs(readings)
    return of[readings.sizes["rows"][of[:, 0]] >= FIRST_ROWS]


def _cells(found: Signs, sized: bool) -> tuple[str, ...]:
    shares = (found.right, found.up, found.down, *found.by_size)
    sizes = (f"{found.read:.1f}", f"{found.said:.1f}" if sized else "")
    return (str(found.steps), *(f"{share:.0f}" for share in shares), *sizes)
