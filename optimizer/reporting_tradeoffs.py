"""A trade-off in words for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.reporting import counts_in_words, labelled
from optimizer.tradeoff import Tradeoff, TradeoffPoint

__all__ = ["SCREEN", "tradeoff_lines"]

SCREEN = 14
"""Rows of the table that leave room for the rest on a screen of 24 lines."""


def tradeoff_lines(
    tradeoff: Tradeoff, *, budget_ns: int | None = None, everything: bool = False
) -> list[str]:
    """A trade-off as a table, a line each; warnings left to the caller.

    Args:
        tradeoff: what is told.
        budget_ns: a budget whose answer is marked, and compared with published shapes.
        everything: every schedule; by default at most `SCREEN`, at even latencies, and the
            one that is marked.
    """
    chosen = None if budget_ns is None else tradeoff.at(budget_ns)
    points = tradeoff.points if everything else tradeoff.thinned(SCREEN)
    if chosen is not None and chosen not in points:
        points = tuple(sorted((*points, chosen), key=lambda point: point.latency_ns))
    count = len(tradeoff.points)
    part = "" if len(points) == count else f"; {len(points)} are shown, with --all every one"
    lines = [
        f"{tradeoff.model}, batch {tradeoff.batch}, {tradeoff.dtype}, on {tradeoff.device}",
        labelled("unpruned", f"{tradeoff.dense_ms:.2f} ms predicted"),
        labelled("frontier", f"{count} schedules, each proved optimal for some budget{part}"),
    ]
    lines += _budget_lines(tradeoff, budget_ns, chosen)
    return lines + _table(tradeoff, points, chosen)


def _budget_lines(
    tradeoff: Tradeoff, budget_ns: int | None, chosen: TradeoffPoint | None
) -> list[str]:
    if budget_ns is None:
        return []
    budget = f"{budget_ns / 1e6:.2f} ms"
    if chosen is None:
        fastest = f"the fastest takes {tradeoff.points[0].latency_ms:.2f} ms"
        return [labelled("budget", f"{budget}: no schedule meets it; {fastest}")]
    lines = [labelled("budget", f"{budget}: {_reached(chosen)}, marked below")]
    for rival in tradeoff.rivals:
        within = [point for point in rival.points if point.latency_ns <= budget_ns]
        said = _reached(within[-1]) if within else "cannot meet it"
        lines.append(labelled("", f"{rival.name} ({rival.method}): {said}"))
    return lines


def _reached(point: TradeoffPoint) -> str:
    return f"{point.schedule.kept_fraction:.1%} kept in {point.latency_ms:.2f} ms"


def _table(
    tradeoff: Tradeoff, points: Sequence[TradeoffPoint], chosen: TradeoffPoint | None
) -> list[str]:
    lines = [f"  {'latency':>12}  {'speed-up':>8}  {'kept':>6}  tokens"]
    for point in points:
        mark = ">" if point is chosen else " "
        speedup = tradeoff.dense_ns / max(point.latency_ns, 1)
        lines.append(
            f"{mark} {point.latency_ms:9.3f} ms  {speedup:7.2f}x  "
            f"{point.schedule.kept_fraction:6.1%}  {counts_in_words(point.schedule.tokens)}"
        )
    return lines
