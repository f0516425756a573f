"""Where a budget is tight: the first blocks give way before the last ones starve.

Counting kept tokens, it is all one whether a token goes early or late, so a tight budget is
best met by keeping everything in the first blocks and next to nothing in the last; and there
accuracy collapses. No value says so unless it is measured. So by rule:

1. A schedule whose every block keeps a quarter of the tokens stands as it is.
2. Else every block must keep a quarter. The first block that may drop tokens is then the
   latest, from a quarter of the depth back to block 1, for which that meets the budget.
3. Where none does, block 1 may drop tokens, and every block keeps as many as the budget
   allows.

An earliest cut, or blocks to cut, that the caller named are never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from optimizer.errors import UndecidedError
from optimizer.solution import Status

if TYPE_CHECKING:
    from optimizer.posing import Posed
    from optimizer.question import Answer, Question

__all__ = ["STARVED", "Yielded", "answer_yielding", "starved_below"]

STARVED = 0.25
"""The share of the tokens that a block must keep, unless the budget leaves no other way.

Source: EViT at its lowest published rate, 0.5 after blocks 3, 6 and 9, ends at 0.125 and
loses 5 points; at 0.7 it ends at 0.34 (Liang et al. 2022, arXiv:2202.07800)."""

_NAMING = ("earliest_cut", "cut_blocks", "pinned")
"""Constraints by which a caller says where the first cut is."""

_OPTIMISED = (Status.OPTIMAL, Status.BOUNDED, Status.TIME_LIMIT, Status.INFEASIBLE)
"""A fixed rule is to be shown as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Yielded:
    """An answer by the rule, and what it would be without.

    Attributes:
        answer: by the rule.
        free: with the same earliest cut, and no other least count than the caller's; the
            same object where that is all.
        usual: the first block that may drop tokens where no budget presses.
        widest: every ending, with as much freedom as the tightest budget is given.
        ruled: whether the rule was to be followed.
    """

    answer: Answer
    free: Answer
    usual: int
    widest: tuple[Posed, ...]
    ruled: bool = True

    @classmethod
    def of(cls, answer: Answer) -> Yielded:
        """An answer by no rule."""
        return cls(answer, answer, answer.earliest_cut, answer.posed, ruled=False)


def starved_below(full: int) -> int:
    """The least count that is no starving: a quarter of the tokens, rounded up."""
    return ceil(STARVED * full)


def answer_yielding(question: Question) -> Yielded:
    """Answer a question that counts kept tokens, by the rule above.

    Args:
        question: whose value counts tokens.

    Raises:
        ProblemError: a constraint is out of range.
    """
    first = question.answer()
    named = any(question.constraints.get(name) for name in _NAMING)
    named = named or question.constraints.get("earliest_cut") is not None
    latest = first.earliest_cut
    if named or first.solution.status not in _OPTIMISED:
        return Yielded.of(first)
    widest = question.posed(earliest_cut=min(latest, 1))
    if _fares_well(first):
        return Yielded(first, first, latest, widest)
    floor = starved_below(question.workload.tokens)
    for earliest in range(latest, 0, -1):
        found = _keeping(question, floor, earliest)
        if found is not None:
            free = first if earliest == latest else question.answer(earliest_cut=earliest)
            return Yielded(found, free, latest, widest)
    free = question.answer(earliest_cut=min(latest, 1))
    return Yielded(_widest(question, free, floor), free, latest, widest)


def _widest(question: Question, free: Answer, floor: int) -> Answer:
    """The answer that keeps most tokens in its last block, below the floor."""
    counts = [int(n) for n in question.table.counts if free.narrowest < n < floor]
    best, low, high = free, 0, len(counts)
    while _within(free) and low < high:
        middle = (low + high) // 2
        found = _keeping(question, counts[middle], free.earliest_cut)
        if found is not None:
            best, low = found, middle + 1
        else:
            high = middle
    return best


def _keeping(question: Question, count: int, earliest: int) -> Answer | None:
    """The answer in which every block keeps so many, or as many as the caller asked for.

    None where no schedule meets the budget, or none is known that does.
    """
    (least, *_) = (posed.problem.least_count for posed in question.posed())
    limits = {"least_count": max(count, least), "least_rate": None}
    try:
        found = question.answer(earliest_cut=earliest, **limits)
    except UndecidedError:  # a confidence that is missed by a hair
        return None
    return found if _within(found) else None


def _within(answer: Answer) -> bool:
    return not answer.solution.status.over_budget


def _fares_well(answer: Answer) -> bool:
    return _within(answer) and answer.narrowest >= STARVED * answer.schedule.full
