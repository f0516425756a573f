"""An independent check of a solution, in plain integers.

Nothing here is shared with the solvers or with what `Problem` derives: the rules are written
out once more from the fields as they were given. Slow on purpose, and short enough to read
beside the definition.
"""

from __future__ import annotations

from optimizer.problem import Problem
from optimizer.solution import Solution, Status

__all__ = ["broken_by", "check"]

_OVER = (Status.INFEASIBLE, Status.RULE_FAILED)
"""What says that the schedule beside it takes longer than the budget."""


def check(problem: Problem, solution: Solution) -> tuple[str, ...]:
    """Every rule that a solution breaks, in words; empty where it is good.

    Whether a better schedule exists is not checked: that is what the solver's proof says.

    >>> import numpy as np
    >>> from optimizer.solving import solve
    >>> problem = Problem(np.array([1, 2]), np.array([[1, 2]]), np.array([[10, 20]]),
    ...                   np.array([[5, 0]]), 3, 18)
    >>> check(problem, solve(problem))
    ()
    >>> check(problem, Solution(Status.OPTIMAL, (2,), 2, 23, 2))
    ('latency is 23 ns, over the budget of 18 ns',)
    """
    broken = list(broken_by(problem, solution.tokens))
    sums = _sums(problem, solution.tokens)
    if sums is None:
        return tuple(broken)
    value, latency = sums
    if solution.value != value:
        broken.append(f"value is said to be {solution.value}: it is {value}")
    if solution.latency_ns != latency:
        broken.append(f"latency is said to be {solution.latency_ns} ns: it is {latency} ns")
    within = latency <= problem.budget_ns
    if solution.status in _OVER and within:
        broken.append(
            f"status says infeasible: {latency} ns meet the budget of {problem.budget_ns} ns"
        )
    if solution.status not in _OVER and not within:
        broken.append(f"latency is {latency} ns, over the budget of {problem.budget_ns} ns")
    if solution.status.proved and solution.bound != solution.value:
        broken.append(f"bound is {solution.bound}: must equal the value ({solution.value})")
    if not solution.status.proved and solution.bound < value:
        broken.append(f"bound is {solution.bound}, below the value ({value})")
    return tuple(broken)


def broken_by(problem: Problem, tokens: tuple[int, ...]) -> tuple[str, ...]:
    """Every constraint that a schedule breaks, the budget left aside; empty where none."""
    depth, counts = len(problem.value), [int(count) for count in problem.counts]
    if len(tokens) != depth:
        return (f"there are {len(tokens)} counts for {depth} blocks",)
    broken, cuts, before = [], [], counts[-1]
    for block, count in enumerate(tokens):
        if count not in counts:
            broken.append(f"block {block}: {count} is none of the problem's counts")
        if count > before:
            broken.append(f"block {block}: {count} tokens after {before}")
        if count != before:
            cuts.append(block)
            broken += _broken_cut(problem, block, before, count)
        if count != counts[-1]:
            broken += _broken_count(problem, block, count)
        before = count
    if problem.max_cuts is not None and len(cuts) > problem.max_cuts:
        broken.append(f"{len(cuts)} blocks drop tokens: max_cuts is {problem.max_cuts}")
    for block, count in problem.pinned:
        if tokens[block] != count:
            broken.append(f"block {block}: {tokens[block]} tokens, pinned are {count}")
    return tuple(broken)


def _broken_cut(problem: Problem, block: int, before: int, count: int) -> list[str]:
    said = f"block {block} drops tokens"
    broken = []
    if block < problem.earliest_cut:
        broken.append(f"{said}: earliest_cut is {problem.earliest_cut}")
    if problem.latest_cut is not None and block > problem.latest_cut:
        broken.append(f"{said}: latest_cut is {problem.latest_cut}")
    if problem.cut_blocks is not None and block not in problem.cut_blocks:
        broken.append(f"{said}: cut_blocks are {problem.cut_blocks}")
    if problem.largest_drop is not None and before - count > problem.largest_drop:
        broken.append(
            f"block {block} drops {before - count} tokens: largest_drop is "
            f"{problem.largest_drop}"
        )
    return broken


def _broken_count(problem: Problem, block: int, count: int) -> list[str]:
    broken = []
    if count < problem.least_count:
        broken.append(f"block {block}: {count} tokens, least_count is {problem.least_count}")
    if count % problem.multiple_of:
        broken.append(f"block {block}: {count} is no multiple of {problem.multiple_of}")
    return broken


def _sums(problem: Problem, tokens: tuple[int, ...]) -> tuple[int, int] | None:
    """Value and latency, where every count is known and there is one per block."""
    counts = [int(count) for count in problem.counts]
    if len(tokens) != len(problem.value) or any(count not in counts for count in tokens):
        return None
    value, latency, before = 0, int(problem.fixed_ns), counts[-1]
    for block, count in enumerate(tokens):
        column = counts.index(count)
        value += int(problem.value[block][column])
        latency += int(problem.segment_ns[block][column])
        if count != before:
            latency += int(problem.cut_ns[block][column])
        before = count
    return value, latency
