"""The positions that remain after each cut."""

from __future__ import annotations

import pytest
import torch

from optimizer.errors import ScheduleError
from optimizer.plan import DROPPED
from optimizer.plan import SCORES as NAMES
from optimizer.pruning import apply, trace

from .tiny import FORMS, PATCHES, anatomy, images, logits, losing, tiny


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("dropped", "kept"),
    [
        ("drop", (16, 11, 11, 7)),
        ("average", (16, 10, 10, 6)),
    ],
)
def test_trace_has_one_entry_per_block(form: str, dropped: str, kept: tuple[int, ...]) -> None:
    """int64, one row per image, as many patches as remain."""
    model = tiny(form)
    apply(model, losing(model, 0, 5, 0, 4), dropped=dropped)
    traced = trace(model, images())
    assert [tuple(entry.shape) for entry in traced] == [(3, count) for count in kept]
    assert {entry.dtype for entry in traced} == {torch.int64}


@pytest.mark.parametrize("score", NAMES)
@pytest.mark.parametrize("dropped", DROPPED)
def test_positions_rise_and_never_return(score: str, dropped: str) -> None:
    """Each row is rising and a subset of the row before it."""
    model = tiny()
    apply(model, losing(model, 2, 3, 4, 5), score, dropped)
    before = [list(range(PATCHES))] * 3
    for entry in trace(model, images()):
        rows = entry.tolist()
        for row, above in zip(rows, before, strict=True):
            assert row == sorted(set(row))
            assert set(row) <= set(above)
        before = rows


def test_an_entry_may_be_empty() -> None:
    """Where only prefix and averaged token remain."""
    model = tiny()
    apply(model, losing(model, 0, 15, 0, 0))
    assert [entry.shape[1] for entry in trace(model, images())] == [16, 0, 0, 0]


def test_random_positions_are_the_same_for_every_image() -> None:
    """And for every run, and not those of another block."""
    models = [apply(tiny(seed=seed), losing(tiny(), 0, 8, 0, 0), "random") for seed in (0, 1)]
    rows = [trace(model, images(seed=seed))[1] for seed, model in enumerate(models)]
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[0], rows[0][:1].expand(3, -1))


def test_trace_leaves_the_model_alone() -> None:
    """Classes, attributes, flags and logits are as before; no gradient is recorded."""
    model = apply(tiny(), losing(tiny(), 0, 5, 0, 4))
    before, parts = logits(model, images()), anatomy(model)
    trace(model, images())
    assert anatomy(model) == parts
    assert torch.equal(before, logits(model, images()))


def test_trace_without_a_cut_keeps_all() -> None:
    """Every entry counts through the patches."""
    model = apply(tiny(), losing(tiny(), 0, 0, 0, 0))
    for entry in trace(model, images()):
        assert torch.equal(entry, torch.arange(PATCHES).expand(3, -1))


def test_trace_needs_a_schedule() -> None:
    """An uncut model is refused."""
    with pytest.raises(ScheduleError) as refused:
        trace(tiny(), images())
    assert str(refused.value) == (
        "this VisionTransformer carries no schedule: apply(model, schedule) first"
    )
