"""The constraints that users ask for, from Python and from the command line."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from optimizer import optimize
from optimizer.budget import Budget
from optimizer.errors import OptimizerError, ProblemError
from optimizer.plan import Plan
from optimizer.solution import Status

MODEL = "deit_small_patch16_224"


def plan(share: str = "85%", **constraints: Any) -> Plan:
    return optimize(MODEL, budget=Budget.parse(share), profile="jetson", batch=8, **constraints)


def cuts(found: Plan) -> dict[int, int]:
    """Tokens dropped, by the blocks that drop any."""
    counts = (found.schedule.full, *found.schedule.tokens)
    return {i: a - b for i, (a, b) in enumerate(pairwise(counts)) if a > b}


def test_only_named_blocks_cut() -> None:
    """But for the lossless last cut, which keeps all."""
    found = plan(cut_blocks=(2, 5))
    assert set(cuts(found)) <= {2, 5, 11}
    assert found.status is Status.OPTIMAL
    assert set(cuts(plan(cut_blocks=(2, 5), lossless_last=False))) <= {2, 5}


def test_a_named_block_may_lie_before_the_usual_first() -> None:
    assert 1 in cuts(plan(cut_blocks=(1,)))
    assert plan(pinned=((1, 150),)).schedule.tokens[1] == 150


def test_a_pinned_count_leaves_its_block() -> None:
    assert plan(pinned=((6, 120),)).schedule.tokens[6] == 120


def test_a_count_pinned_to_the_last_block_ends_no_other_way() -> None:
    assert plan(pinned=((11, 60),)).schedule.tokens[-1] == 60
    with pytest.raises(ProblemError) as caught:
        plan(pinned=((11, 60),), lossless_last=True)
    assert str(caught.value) == (
        "pinned holds (11, 60), and a lossless last cut leaves that block the prefix alone; "
        "leave one of the two out"
    )


@pytest.mark.parametrize("lossless_last", [True, False])
def test_drops_stay_small_and_early(lossless_last: bool) -> None:
    found = plan(largest_drop=40, latest_cut=7, lossless_last=lossless_last)
    dropped = cuts(found)
    if lossless_last:
        assert dropped.pop(11) == found.schedule.tokens[10] - 1
    assert dropped
    assert max(dropped) <= 7
    assert max(dropped.values()) <= 40


def test_a_rate_is_of_the_patches() -> None:
    """Half of 196 patches and the class token."""
    found = plan("70%", least_rate=0.5)
    assert min(found.schedule.worth) == 99
    with pytest.raises(ProblemError, match="at most one of least_count and least_rate"):
        plan(least_rate=0.5, least_count=50)
    with pytest.raises(ProblemError) as caught:
        plan(least_rate=0.0)
    assert str(caught.value) == "least_rate is 0.0: must be above 0 and at most 1"


def test_a_stopped_solve_says_how_far_it_may_be() -> None:
    """A limit too short to prove anything still gives a schedule within the budget."""
    found = plan(time_limit_s=1e-9)
    assert found.predicted_ns <= found.budget_ns
    assert found.status in (Status.TIME_LIMIT, Status.OPTIMAL)
    told = [w for w in found.warnings if w.startswith("the time limit stopped the solver")]
    assert bool(told) == (found.status is Status.TIME_LIMIT)


def test_contradictions_are_refused() -> None:
    with pytest.raises(OptimizerError, match="pinned"):
        plan(pinned=((3, 60), (6, 120)))
