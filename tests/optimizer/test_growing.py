from __future__ import annotations

from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.problem import Problem
from optimizer.solution import Solution, Status
from optimizer.solvers.aiming import Search
from optimizer.solvers.bounding import bounds_for
from optimizer.solvers.clock import Clock, OutOfTime
from optimizer.solvers.exhaustive import every_schedule, exhaustive
from optimizer.solvers.growing import Side, ends_from, starts_from
from optimizer.solvers.labels import Labels
from optimizer.solvers.meeting import Schedules, meet
from optimizer.solvers.pareto import pareto
from optimizer.solvers.pricing import best_above, best_below, ends_at, layers_of, starts_at
from optimizer.solvers.relaxing import Relaxation, relax
from optimizer.solvers.stepping import steps_of
from optimizer.solvers.thinning import cuttable
from tests.optimizer.strategies import problems
from tests.optimizer.test_solvers import staircase


def sides(problem: Problem, relaxation: Relaxation, aim: int, block: int) -> tuple[Side, Side]:
    """All starts up to a block and all ends from it that may come to a value."""
    steps, bounds = steps_of(problem), bounds_for(problem, relaxation)
    starts = starts_from(problem, steps, bounds, aim, None)
    ends = ends_from(problem, steps, bounds, aim, None)
    for _ in range(block):
        starts.grow(Clock(None))
    for _ in range(problem.depth - block):
        ends.grow(Clock(None))
    return starts, ends


def pairs(found: Schedules) -> list[tuple[int, int, tuple[int, ...]]]:
    tokens = [tuple(row) for row in found.tokens.tolist()]
    return list(zip(found.latency_ns.tolist(), found.value.tolist(), tokens, strict=True))


def unbeaten_schedules(problem: Problem, aim: int) -> list[tuple[int, int, tuple[int, ...]]]:
    """By trying all: within the budget, worth the aim; ties to the later cut."""
    found, value = [], aim - 1
    whole = [
        (problem.latency_ns(each) - problem.fixed_ns, -problem.value_of(each), each)
        for each in every_schedule(problem)
    ]
    for latency, negative, each in sorted(whole, key=lambda s: (*s[:2], [-n for n in s[2]])):
        if latency + problem.fixed_ns <= problem.budget_ns and -negative > value:
            value = -negative
            found.append((latency, value, each))
    return found


@settings(max_examples=300, deadline=None)
@given(problem=problems(), block=st.integers(0, 4), below=st.integers(0, 9), many=st.booleans())
def test_starts_and_ends_meet_at_any_block(
    problem: Problem, block: int, below: int, many: bool
) -> None:
    """Wherever they meet they make the same schedules: all of some value, ties included.

    Many parts are thinned, and compared at one price after another, as few are not.
    """
    with pytest.MonkeyPatch.context() as patch:
        if many:
            patch.setattr("optimizer.solvers.thinning._FEW", 0)
            patch.setattr("optimizer.solvers.bounding._FEW", 0)
        meets_as_all_do(problem, block, below)


def meets_as_all_do(problem: Problem, block: int, below: int) -> None:
    problem = problem.allowed_only()
    relaxation = relax(problem)
    if not isinstance(relaxation, Relaxation):
        return
    aim = relaxation.upper - below
    starts, ends = sides(problem, relaxation, aim, min(block, problem.depth))
    assert starts.whole
    assert ends.whole
    truth = unbeaten_schedules(problem, aim)
    assert pairs(meet(starts, ends, every=True)) == truth
    assert pairs(meet(starts, ends, every=False)) == truth[-1:]


@pytest.mark.parametrize("block", range(5))
def test_ties_fall_to_the_later_cut_wherever_starts_and_ends_meet(block: int) -> None:
    """Four blocks whose latency is their tokens: of equal sums the greatest counts first."""
    counts = np.arange(1, 7)
    table = np.tile(counts, (4, 1))
    for budget in range(4, 25):
        problem = Problem(counts, table, table, 0 * table, 0, budget)
        relaxation = relax(problem)
        assert isinstance(relaxation, Relaxation)
        found = meet(*sides(problem, relaxation, budget, block), every=False)
        assert pairs(found) == unbeaten_schedules(problem, budget)


@settings(max_examples=200, deadline=None)
@given(problem=problems(), scale=st.integers(0, 3), price=st.integers(0, 3))
def test_the_best_start_and_end_of_a_state_are_the_best_schedule_through_it(
    problem: Problem, scale: int, price: int
) -> None:
    """At any price, for every state before every block, against trying all schedules."""
    problem = problem.allowed_only()
    given_, (layers, step) = (np.array([scale]), np.array([price])), layers_of(problem)
    # Python's integers: what does not exist on either side would overflow.
    through = starts_at(problem, *given_)[:, 0].astype(object) + ends_at(problem, *given_)[:, 0]
    best: dict[tuple[int, int, int], int] = {}
    for tokens in every_schedule(problem):
        worth = scale * problem.value_of(tokens) - price * (
            problem.latency_ns(tokens) - problem.fixed_ns
        )
        layer, before = layers - 1, problem.full
        for i, left in enumerate((*tokens, tokens[-1])):
            state = (i, layer, int(np.searchsorted(problem.counts, before)))
            best[state] = max(best.get(state, worth), worth)
            layer, before = layer - step * (left != before), left
    for state in np.ndindex(through.shape):
        found = int(through[state])
        assert best.get(state) == found if found > -(1 << 61) else state not in best


@given(rows=st.lists(st.integers(-9, 9), min_size=1, max_size=12), data=st.data())
def test_best_below_looks_where_best_above_looks_from(
    rows: list[int], data: st.DataObject
) -> None:
    width = len(rows)
    reach = [data.draw(st.integers(k, width - 1)) for k in range(width)]
    highest = np.maximum.accumulate(reach)
    above, below = best_above(np.array(rows), highest), best_below(np.array(rows), highest)
    for k in range(width):
        over = [rows[m] for m in range(k + 1, width) if m <= highest[k]]
        under = [rows[m] for m in range(k) if k <= highest[m]]
        assert not over or above[k] == max(over)
        assert not under or below[k] == max(under)


def parts(seed: int, size: int, columns: int) -> Labels:
    """Parts with one layer, in the order that `unbeaten` leaves them."""
    rng = np.random.default_rng(seed)
    column = np.sort(rng.integers(0, columns, size))
    latency, value = rng.integers(0, 30, (2, size))
    order = np.lexsort((value, latency, column))
    nothing = np.zeros(size, dtype=np.int64)
    return Labels(column, latency[order], value[order], column, nothing, np.arange(size))


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_what_is_thinned_is_beaten_whatever_the_cut(
    seed: int, back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A faster one worth as much, that can be cut as far; and every such pair is found."""
    monkeypatch.setattr("optimizer.solvers.thinning._FEW", 0)
    labels = parts(seed, 70 + seed, 1 + seed % 11)

    def further(one: int, other: int) -> bool:
        a, b = labels.column[one], labels.column[other]
        return bool(a < b if back else a > b)

    def beaten(place: int) -> bool:
        return any(
            further(other, place)
            and labels.latency_ns[other] < labels.latency_ns[place]
            and labels.value[other] >= labels.value[place]
            for other in range(len(labels))
        )

    truth = [place for place in range(len(labels)) if not beaten(place)]
    assert sorted(cuttable(labels, back=back).rank.tolist()) == truth


@pytest.mark.parametrize("share", [0.5, 0.6, 0.7, 0.8])
def test_a_narrow_side_keeps_few_and_says_so(share: float) -> None:
    """What a width leaves is within it, feasible, worth the aim, and not called whole."""
    problem = staircase(12, 197, 4, share=share, earliest=0).allowed_only()
    relaxation = relax(problem)
    assert isinstance(relaxation, Relaxation)
    aim = relaxation.incumbent.value
    steps, bounds = steps_of(problem), bounds_for(problem, relaxation)
    starts = starts_from(problem, steps, bounds, aim, 20)
    for _ in range(problem.depth):
        starts.grow(Clock(None))
        assert len(starts.labels) <= 20
    assert not starts.whole
    found = meet(starts, ends_from(problem, steps, bounds, aim, 20), every=True)
    assert len(found)
    for latency, value, tokens in pairs(found):
        assert problem.latency_ns(tokens) == latency + problem.fixed_ns <= problem.budget_ns
        assert problem.value_of(tokens) == value >= aim


def test_a_side_that_looks_at_few_pairs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = staircase(12, 197, 4, share=0.6, earliest=0).allowed_only()
    relaxation = relax(problem)
    assert isinstance(relaxation, Relaxation)
    steps, bounds = steps_of(problem), bounds_for(problem, relaxation)
    for most in (15, 0):
        monkeypatch.setattr("optimizer.solvers.growing._PER_LABEL", most)
        aim = relaxation.incumbent.value
        starts = starts_from(problem, steps, bounds, aim, 1000)
        starts.grow(Clock(None))
        assert starts.whole is (most > 0)


def stopped_after(problem: Problem, looks: int, monkeypatch: pytest.MonkeyPatch) -> Solution:
    """A search whose clock stops it at its so many-th look."""
    look = count()
    monkeypatch.setattr("optimizer.solvers.clock.time.monotonic", lambda: float(next(look)))
    return pareto(problem, time_limit_s=looks)


def test_a_crowded_aim_still_betters_the_schedule_in_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a sketch too: what few parts make is kept, whenever the search is stopped."""
    problem = staircase(12, 197, 4, share=0.6, earliest=0).allowed_only()
    relaxation = relax(problem)
    assert isinstance(relaxation, Relaxation)
    look = count()
    monkeypatch.setattr("optimizer.solvers.clock.time.monotonic", lambda: float(next(look)))
    search = Search(problem, relaxation, gap=1 << 40, width=60, every=True)
    with pytest.raises(OutOfTime):
        search.run(Clock.of(35))
    assert relaxation.incumbent.value < search.value == problem.value_of(search.tokens)
    assert problem.latency_ns(search.tokens) <= problem.budget_ns


def test_a_search_that_is_stopped_gives_the_best_it_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The longer it runs the better both ends are, and the optimum is between them."""
    problem = staircase(12, 197, 4, share=0.6, earliest=0)
    best, gaps = pareto(problem), []
    monkeypatch.setattr("optimizer.solvers.pareto._WIDTH", 20 - problem.value.size // 50)
    for looks in range(1, 200, 8):
        stopped = stopped_after(problem, looks, monkeypatch)
        assert stopped.value <= best.value <= stopped.bound
        gaps.append((best.value - stopped.value, stopped.bound - best.value))
        if stopped.status is Status.OPTIMAL:
            break
        assert stopped.status is Status.TIME_LIMIT
    for one, later in pairwise(gaps):
        assert later[0] <= one[0]
        assert later[1] <= one[1]
    assert gaps[0][0] > gaps[-2][0] < 100  # some were bettered before the proof


@pytest.mark.parametrize("seed", range(20))
def test_values_of_any_sign_at_a_size_to_try_all(seed: int) -> None:
    """Damages by block, which rise and fall and are mostly below zero."""
    rng = np.random.default_rng(seed)
    counts, shape = np.arange(1, 15), (4, 14)
    damage = np.cumsum(rng.integers(0, 10**9, shape), axis=1)[:, ::-1]
    damage = damage * rng.integers(1, 10, (4, 1))
    value = np.vstack([damage[1:], np.zeros((1, 14), dtype=np.int64)]) - damage
    segments = rng.integers(1, 100, shape) + 10 * counts
    problem = Problem(
        *(counts, value, segments, rng.integers(0, 30, shape), 5),
        int(segments[:, -1].sum() * rng.uniform(0.5, 0.9)),
    )
    assert pareto(problem) == exhaustive(problem)


def test_parts_are_thinned_only_where_a_cut_may_drop_any_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a largest drop more tokens are not better: the next cut goes less far down."""
    monkeypatch.setattr("optimizer.solvers.thinning._FEW", 0)
    rng = np.random.default_rng(0)
    for _ in range(150):
        counts, shape = np.arange(1, 7), (4, 6)
        segments = rng.integers(1, 20, shape)
        problem = Problem(
            *(counts, rng.integers(0, 20, shape), segments, rng.integers(0, 3, shape), 0),
            int(segments.mean(axis=1).sum()),
            largest_drop=int(rng.integers(1, 4)),
        )
        assert pareto(problem) == exhaustive(problem)
