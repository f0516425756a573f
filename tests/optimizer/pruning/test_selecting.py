"""Scores to positions to shorter sequences, on tensors made by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import ScheduleError
from optimizer.pruning.cut import Cut, plan_cuts
from optimizer.pruning.selecting import order_patches, shorten
from optimizer.schedule import Schedule


def cut(before: int, after: int, *, represented: int = 0, average: bool) -> Cut:
    dropped = "average" if average else "drop"
    return Cut(2, before, after, 1, represented, dropped=dropped, score="cls")


def test_kept_patches_stay_in_image_order() -> None:
    """Sorted by place, not by score; prefix first whatever its score."""
    plan = cut(6, 4, average=False)
    scores = torch.tensor([[0.0, 0.1, 0.9, 0.2, 0.8, 0.7]])
    x = torch.arange(6.0).view(1, 6, 1)
    shorter, (kept, *_) = shorten(x, order_patches(scores, plan), plan)
    assert shorter.flatten().tolist() == [0, 2, 4, 5]
    assert kept.tolist() == [[1, 3, 4]]


def test_each_image_keeps_its_own_patches() -> None:
    """Two images with other scores lose other patches."""
    plan = cut(4, 2, average=False)
    scores = torch.tensor([[9.0, 1, 2, 3], [9.0, 3, 2, 1]])
    assert order_patches(scores, plan)[:, 0].tolist() == [2, 0]


def test_a_cut_of_one_token_averages_two_patches() -> None:
    """The mean takes one place, so two patches must go."""
    plan = cut(5, 4, average=True)
    x = torch.tensor([[[0.0], [10.0], [20.0], [30.0], [40.0]]])
    scores = torch.tensor([[0.0, 4, 1, 3, 2]])
    shorter, (kept, *_) = shorten(x, order_patches(scores, plan), plan)
    assert shorter.flatten().tolist() == [0, 10, 30, 30]
    assert kept.tolist() == [[0, 2]]


def test_a_later_cut_weighs_the_mean_by_its_patches() -> None:
    """A mean over 3 patches and one more patch: weights 3/4 and 1/4, score unasked."""
    plan = cut(4, 3, represented=3, average=True)
    x = torch.tensor([[[0.0], [10.0], [20.0], [100.0]]])
    scores = torch.tensor([[0.0, 2, 1, 99]])
    shorter, (kept, *_) = shorten(x, order_patches(scores, plan), plan)
    assert shorter.flatten().tolist() == [0, 10, 80]
    assert kept.tolist() == [[0]]


def test_every_patch_may_become_the_mean() -> None:
    """Zero kept patches leave prefix and mean."""
    plan = cut(4, 2, average=True)
    x = torch.tensor([[[7.0], [1.0], [2.0], [6.0]]])
    shorter, (kept, *_) = shorten(x, order_patches(torch.rand(1, 4), plan), plan)
    assert shorter.flatten().tolist() == [7, 3]
    assert kept.shape == (1, 0)


@settings(deadline=None)
@given(data=st.data(), full=st.integers(3, 20), prefix=st.integers(0, 2))
def test_the_mean_is_exact_over_all_dropped_patches(
    data: st.DataObject, full: int, prefix: int
) -> None:
    """While no block changes the tokens, kept and mean account for every patch."""
    falling = st.lists(st.integers(prefix + 1, full), min_size=1, max_size=4)
    tokens = tuple(sorted(data.draw(falling), reverse=True))
    start = torch.randn(2, full + prefix, 3, dtype=torch.float64)
    schedule = Schedule(tokens, full=full + prefix, prefix=prefix)
    x = start
    for plan in plan_cuts(schedule, dropped="average", score="cls"):
        if plan.before > plan.after:
            x, _ = shorten(x, order_patches(torch.rand(x.shape[:2]), plan), plan)
    assert x.shape[1] == tokens[-1]
    if x.shape[1] < full + prefix:
        kept = x[:, prefix:-1]
        gone = full - kept.shape[1]
        total = kept.sum(dim=1) + gone * x[:, -1]
        torch.testing.assert_close(total, start[:, prefix:].sum(dim=1))


def test_a_score_of_another_shape_is_refused() -> None:
    """The sentence names the block, the shape and what was wanted."""
    with pytest.raises(ScheduleError) as refused:
        order_patches(torch.zeros(2, 3, 6), cut(6, 4, average=False))
    assert str(refused.value) == (
        "block 2: the score gave shape (2, 3, 6), allowed is (batch, tokens) with 6 tokens"
    )


def test_an_unknown_way_of_dropping_is_refused() -> None:
    """It is refused by name, with the choices."""
    with pytest.raises(ScheduleError) as refused:
        plan_cuts(Schedule((5, 4), full=6, prefix=1), dropped="melt", score="cls")
    assert str(refused.value) == "dropped is 'melt': choose one of 'drop', 'average', 'merge'"
