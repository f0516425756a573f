"""What to know before trusting a plan, a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.fidelity.valuing import UNIT, predicted_damage
from optimizer.solution import Status
from optimizer.yielding import STARVED, starved_below

if TYPE_CHECKING:
    from optimizer.fidelity.damage import DamageTable
    from optimizer.question import Answer
    from optimizer.schedule import Schedule
    from optimizer.yielding import Yielded

__all__ = ["UNTIMED", "gap_of", "starving", "unmeasured", "yielded"]

UNTIMED = (
    "proportional attention adds a mask to every attention behind the first cut, which no "
    "profile has timed and some fused kernels do not take: verify the plan on the device"
)


_UNMEASURED = (
    "block {block} is cut to {count} tokens, and no fewer than {least} were measured: what "
    "that costs is not known; measure a table with fewer, or give --least-count {least}"
)


def yielded(found: Yielded) -> tuple[str, ...]:
    """That a tight budget was met by `optimizer.yielding`'s rule."""
    answer, free, usual = found.answer, found.free, found.usual
    if answer.solution.status.over_budget:
        return ()
    kept, full = answer.ending.problem.least_count, answer.schedule.full
    said = []
    if answer.earliest_cut < usual:
        said.append(
            f"the first cut may come at block {answer.earliest_cut} in place of {usual}"
        )
    if free.narrowest < kept:
        said.append(
            f"every block must keep {kept} of {full} tokens, where counting them alone would "
            f"leave {free.narrowest} in the last"
        )
    if not said:
        return ()
    measured = "a measured value per block (--objective fidelity) chooses better"
    return (f"the budget is tight, so {' and '.join(said)}; {measured}",)


def starving(found: Yielded) -> tuple[str, ...]:
    """That a schedule keeps so little that no published measurement supports it."""
    answer = found.answer
    last, full = answer.narrowest, answer.schedule.full
    if answer.solution.status.over_budget or last >= STARVED * full:
        return ()
    # Where the rule was followed, it has tried both already.
    freedom = (
        "" if found.ruled else f"--earliest-cut 1, --least-count {starved_below(full)} or "
    )
    advice = (
        f"the last block keeps {last} of {full} tokens: counting kept tokens says little about "
        f"accuracy at so tight a budget; try {freedom}a larger budget, and evaluate the cut "
        "model"
    )
    return (advice,)


def unmeasured(schedule: Schedule, damage: DamageTable) -> tuple[str, ...]:
    """That a schedule goes below what the damage table holds."""
    rows = [(block, schedule.tokens[block], damage.blocks[block]) for block in schedule.cuts]
    if schedule.lossless_last:
        rows = rows[:-1]
    for block, count, row in rows:
        if count < row.counts[0]:
            return (_UNMEASURED.format(block=block, count=count, least=row.counts[0]),)
    return ()


def gap_of(answer: Answer, damage: DamageTable | None) -> tuple[str, ...]:
    """How far a schedule may be from the best, where that was not proved."""
    kept, gap = answer.solution.value, answer.solution.gap
    if damage is None:
        has, more = f"keeps {kept} tokens over all blocks", f"keeps over {gap} more"
    else:
        cost = predicted_damage(damage, answer.schedule.tokens)
        has = f"is predicted to cost {cost:.4g} of fidelity ({damage.divergence})"
        more = f"costs less by over {gap * UNIT:.4g}"
    if answer.solution.status is Status.TIME_LIMIT:
        said = (
            f"the time limit stopped the solver: it {has}, and no schedule within the budget "
            f"{more}; try a longer --time-limit"
        )
        return (said,)
    if answer.solution.status is Status.BOUNDED:
        return (f"the schedule {has}; none that is as sure to keep the budget {more}",)
    return ()
