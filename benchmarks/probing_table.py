"""The table of `probing.py`: results put together, as text that is Markdown as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt
    from probing_curves import Floats
    from probing_methods import Result

__all__ = ["HEAD", "aligned", "grouped", "line"]

HEAD = (
    "curves",
    "noise %",
    "method",
    "counts",
    "readings",
    "error %",
    "error p95",
    "calm error %",
    "calm p95",
    "edges found",
    "false alarms",
    "covered %",
    "over p95 %",
    "loss %",
)


def grouped(results: Iterable[Result], *, each: bool) -> dict[tuple[str, ...], list[Result]]:
    """By family (or curve, or all), noise and method, in the order they came."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        curve = result.trial.curve
        for label in (curve.name,) if each else (curve.family, "all"):
            key = (label, f"{100 * result.trial.noise:g}", result.method)
            groups.setdefault(key, []).append(result)
    places = {label: i for i, label in enumerate(dict.fromkeys(key[0] for key in groups))}
    places["all"] = len(places)
    order = sorted(groups, key=lambda key: (float(key[1]), places[key[0]]))
    return {key: groups[key] for key in order}


def line(key: tuple[str, ...], results: Sequence[Result]) -> tuple[str, ...]:
    """One line: every count and every budget of all the results weighs the same."""
    scores = [result.score for result in results]
    errors = np.concatenate([score.errors for score in scores])
    calm = np.concatenate([score.calm for score in scores])
    overshoots = [over for score in scores for over in score.overshoots]
    losses = [loss for score in scores for loss in score.losses]
    covered = [score.covered for score in scores if score.covered is not None]
    return (
        *key,
        f"{np.mean([result.counts for result in results]):.0f}",
        f"{np.mean([result.readings for result in results]):.0f}",
        *(
            _percent(of, values)
            for values in (errors, errors[calm])
            for of in (_mean, _percentile)
        ),
        *_edges([score.edges for score in scores if score.edges is not None]),
        _percent(_mean, np.concatenate(covered)) if covered else "",
        _percent(_percentile, overshoots),
        _percent(_mean, losses),
    )


def _mean(values: Floats) -> float:
    return float(np.mean(values))


def _percentile(values: Floats) -> float:
    return float(np.percentile(values, 95))


def _percent(of: Callable[[Floats], float], values: npt.ArrayLike) -> str:
    array = np.asarray(values, dtype=np.float64)
    return f"{100 * of(array):.2f}" if array.size else ""


def _edges(scores: Sequence[tuple[int, int, int]]) -> tuple[str, str]:
    if not scores:
        return "", ""
    found, there, false = (sum(column) for column in zip(*scores, strict=True))
    return f"{found} of {there}", str(false)


def aligned(rows: Sequence[Sequence[str]], *, numbers_from: int = 3) -> str:
    """A Markdown table whose columns line up as plain text.

    Args:
        rows: its cells; the first row is the head.
        numbers_from: the first column of numbers, which stand to the right.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def text(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if i >= numbers_from else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    rule = (
        "-" * (width - 1) + ":" if i >= numbers_from else "-" * width
        for i, width in enumerate(widths)
    )
    return "\n".join(
        [text(rows[0]), f"| {' | '.join(rule)} |", *(text(row) for row in rows[1:])]
    )
