"""What a problem's constraints may be, and when they contradict each other."""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import TYPE_CHECKING

from optimizer.errors import ProblemError

if TYPE_CHECKING:
    from optimizer.problem import Problem

__all__ = ["check_constraints", "whole_constraints"]

_WHOLE = ("fixed_ns", "budget_ns", "earliest_cut", "least_count", "multiple_of")
_WHOLE_OR_NONE = ("max_cuts", "latest_cut", "largest_drop")


def whole_constraints(problem: Problem) -> None:
    """Make every constraint a plain integer, or plain tuples of them.

    Raises:
        ProblemError: one is something else.
    """
    for name in (*_WHOLE, *_WHOLE_OR_NONE):
        given = getattr(problem, name)
        if given is not None or name in _WHOLE:
            object.__setattr__(problem, name, _whole(name, given))
    blocks: object = problem.cut_blocks
    pins: object = problem.pinned
    if blocks is not None:
        if not isinstance(blocks, tuple):
            raise ProblemError(
                f"cut_blocks is {blocks!r}: must be a tuple of blocks, or None for any"
            )
        whole = tuple(_whole("a block of cut_blocks", block) for block in blocks)
        object.__setattr__(problem, "cut_blocks", whole)
    if not isinstance(pins, tuple) or any(
        not isinstance(pin, tuple) or len(pin) != 2 for pin in pins
    ):
        raise ProblemError(f"pinned is {pins!r}: must be a tuple of pairs (block, count)")
    whole_pins = tuple(
        (_whole("a block of pinned", block), _whole("a count of pinned", count))
        for block, count in pins
    )
    object.__setattr__(problem, "pinned", whole_pins)


def _whole(name: str, given: object) -> int:
    try:
        return operator.index(given)  # type: ignore[arg-type]  # refused here if it is none
    except TypeError:
        raise ProblemError(f"{name} is {given!r}: must be an integer") from None


def check_constraints(problem: Problem) -> None:
    """See that each constraint is in range and that together they leave a schedule.

    Without pinned counts the schedule that drops nothing always is one.

    Raises:
        ProblemError: a constraint is out of range, or they contradict each other.
    """
    _check_ranges(problem)
    _check_blocks(problem)
    _check_pins(problem)
    if problem.pinned:
        _check_ways(problem)


def _check_ranges(problem: Problem) -> None:
    if problem.budget_ns < 0:
        raise ProblemError(f"budget_ns is {problem.budget_ns}: must not be negative")
    for name, least in (
        ("earliest_cut", 0),
        ("max_cuts", 0),
        ("multiple_of", 1),
        ("largest_drop", 1),
    ):
        found = getattr(problem, name)
        if found is not None and found < least:
            raise ProblemError(f"{name} is {found}: must be {least} or more")
    if not 1 <= problem.least_count <= problem.full:
        raise ProblemError(
            f"least_count is {problem.least_count}: must be 1 to the full count "
            f"({problem.full})"
        )


def _check_blocks(problem: Problem) -> None:
    blocks, last = problem.cut_blocks, problem.latest_cut
    if last is not None and last < problem.earliest_cut:
        raise ProblemError(
            f"latest_cut is {last}: must be earliest_cut ({problem.earliest_cut}) or more; "
            "to allow no cut at all, set max_cuts to 0"
        )
    if blocks is None:
        return
    if any(b <= a for a, b in pairwise(blocks)) or not set(blocks) <= set(range(problem.depth)):
        raise ProblemError(
            f"cut_blocks is {blocks}: must ascend, each one of blocks 0 to {problem.depth - 1}"
        )


def _check_pins(problem: Problem) -> None:
    pins, allowed = problem.pinned, set(problem.counts[problem.allowed].tolist())
    blocks = [block for block, _ in pins]
    if any(b <= a for a, b in pairwise(blocks)) or not set(blocks) <= set(range(problem.depth)):
        raise ProblemError(
            f"pinned is {pins}: its blocks must ascend, each one of 0 to {problem.depth - 1}"
        )
    for block, count in pins:
        if count not in allowed:
            raise ProblemError(
                f"pinned asks for {count} tokens after block {block}: must be one of the "
                "problem's counts that least_count and multiple_of allow, or the full count"
            )
    for (earlier, more), (later, count) in pairwise(pins):
        if count > more:
            raise ProblemError(
                f"pinned asks for {count} tokens after block {later}, above the {more} after "
                f"block {earlier}: a dropped token cannot return"
            )


def _check_ways(problem: Problem) -> None:
    """Between two pins, going down as far as one cut can takes the fewest cuts.

    From a smaller count any cut reaches at least as far, so the greedy way is the shortest.
    """
    counts = problem.counts[problem.allowed].tolist()
    may_drop, needed = problem.may_drop, 0
    before, here = -1, problem.full
    for block, count in problem.pinned:
        cuts = 0
        while here > count:
            least = count if problem.largest_drop is None else here - problem.largest_drop
            lower = min(c for c in counts if c >= max(least, count))
            if lower == here:
                raise _no_way(block, count, f"largest_drop is {problem.largest_drop}")
            here, cuts = lower, cuts + 1
        room = int(may_drop[before + 1 : block + 1].sum())
        if cuts > room:
            raise _no_way(
                block,
                count,
                f"that takes {cuts} more cuts and {room} blocks up to it may still cut",
            )
        before, needed = block, needed + cuts
    if needed > problem.cut_limit:
        raise ProblemError(
            f"pinned is {problem.pinned}: no schedule leads there, since that takes {needed} "
            f"cuts and max_cuts is {problem.max_cuts}"
        )


def _no_way(block: int, count: int, why: str) -> ProblemError:
    return ProblemError(
        f"pinned asks for {count} tokens after block {block}: no schedule leads there, since "
        f"{why}"
    )
