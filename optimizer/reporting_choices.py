"""A choice among candidates in words for a terminal."""

from __future__ import annotations

import textwrap

from optimizer.choice import Candidate, Choice
from optimizer.reporting import labelled

__all__ = ["choice_lines"]

_WIDTH = 96


def choice_lines(choice: Choice) -> list[str]:
    """Every candidate with what it costs and keeps, the rule and the verdict, a line each."""
    width = max(len(candidate.name) for candidate in choice.candidates)
    head = f"{'unpruned':>10}  {'predicted':>10}  {'kept':>6}  {'GMACs':>11}  {'images/s':>8}"
    lines = [f"  {'candidate':<{width}}  {head}{_top1_head(choice)}"]
    for place, candidate in enumerate(choice.candidates):
        mark = ">" if place == choice.place else " "
        lines.append(f"{mark} {candidate.name:<{width}}  {_cells(candidate)}")
    for candidate in choice.candidates:
        if candidate.refused:
            lines += _wrapped(candidate.name, candidate.refused)
    return lines + _wrapped("rule", choice.rule) + _wrapped("chosen", choice.verdict)


def _top1_head(choice: Choice) -> str:
    """A column of accuracies where there are any."""
    given = any(candidate.top1 is not None for candidate in choice.candidates)
    return f"  {'top-1':>6}" if given else ""


def _cells(candidate: Candidate) -> str:
    if candidate.plan is None:
        return "refused, see below"
    plan = candidate.plan
    over = "!" if plan.status.over_budget else " "
    macs = f"{candidate.kept_macs / 1e9:.2f}/{candidate.dense_macs / 1e9:.2f}"
    top1 = "" if candidate.top1 is None else f"  {candidate.top1:6.2f}"
    return (
        f"{plan.dense_ms:7.2f} ms  {plan.predicted_ms:6.2f}{over}ms  "
        f"{candidate.kept_fraction:6.1%}  {macs:>11}  {candidate.images_per_second:8.1f}{top1}"
    )


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(labelled(label, text), _WIDTH, subsequent_indent=labelled("", ""))
