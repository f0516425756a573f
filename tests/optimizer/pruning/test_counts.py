"""Planned counts are executed counts, at every block."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optimizer.errors import ScheduleError, UnsupportedModelError
from optimizer.plan import DROPPED
from optimizer.plan import SCORES as NAMES
from optimizer.pruning import apply, undo
from optimizer.schedule import Schedule

from .tiny import FORMS, PATCHES, full_count, images, logits, losing, tiny

LOSSES = [(0, 1, 0, 0), (1, 1, 1, 0), (0, 0, 0, 5), (0, PATCHES - 1, 0, 0), (7, 0, 8, 0)]


def executed(model: Any, batch: Tensor) -> tuple[list[int], list[int]]:
    """Sequence lengths that reach each block's attention and MLP, by hooks."""
    attention: list[int] = []
    mlp: list[int] = []
    handles = []
    for block in model.blocks:
        for part, seen in ((block.norm1, attention), (block.norm2, mlp)):
            handles.append(
                part.register_forward_pre_hook(
                    lambda _, args, seen=seen: seen.append(args[0].shape[1])
                )
            )
    logits(model, batch)
    for handle in handles:
        handle.remove()
    return attention, mlp


@pytest.mark.parametrize("dropped", DROPPED)
@pytest.mark.parametrize(
    ("form", "lost"),
    [(form, (0, 5, 1, 4)) for form in FORMS] + [("no-prefix", lost) for lost in LOSSES],
)
def test_planned_counts_are_executed(form: str, dropped: str, lost: tuple[int, ...]) -> None:
    """The attention of block i sees tokens[i-1] and its MLP tokens[i]."""
    model = tiny(form)
    schedule = losing(model, *lost)
    apply(model, schedule, "value-norm", dropped)
    assert executed(model, images(2)) == (list(schedule.before), list(schedule.tokens))


MODEL = tiny("dinov2-registers")


@settings(deadline=None, max_examples=30)
@given(data=st.data(), score=st.sampled_from(NAMES), dropped=st.sampled_from(DROPPED))
def test_any_schedule_is_executed_exactly(
    data: st.DataObject, score: str, dropped: str
) -> None:
    """No valid schedule is rounded, clamped or refused."""
    full, prefix = full_count(MODEL), MODEL.num_prefix_tokens
    counts = st.lists(st.integers(prefix + 1, full), min_size=4, max_size=4)
    tokens = tuple(sorted(data.draw(counts), reverse=True))
    apply(MODEL, Schedule(tokens, full=full, prefix=prefix), score, dropped)
    try:
        assert executed(MODEL, images(2))[1] == list(tokens)
    finally:
        undo(MODEL)


def test_an_image_of_another_size_is_refused() -> None:
    """The block, the tokens found and the tokens planned are named."""
    model = tiny(dynamic_img_size=True)
    apply(model, losing(model, 0, 4, 0, 0))
    with pytest.raises(ScheduleError) as refused:
        logits(model, images(1, size=48))
    assert str(refused.value) == (
        "block 1: found 37 tokens, planned are 17; the schedule is for one image size and "
        "no patch dropout: undo(model), then apply a schedule for this one"
    )


def test_patch_dropout_is_refused_in_training_only() -> None:
    """Its counts are not the planned ones; in evaluation it does nothing."""
    model = apply(tiny(patch_drop_rate=0.5), Schedule((17, 9, 9, 9), full=17, prefix=1))
    assert executed(model, images(1))[1] == [17, 9, 9, 9]
    with pytest.raises(ScheduleError, match="found 9 tokens, planned are 17"):
        logits(model.train(), images(1))


@pytest.mark.parametrize(
    "mask", [{"attn_mask": torch.ones(17, 17, dtype=torch.bool)}, {"is_causal": True}]
)
def test_an_attention_mask_is_refused(mask: dict[str, Any]) -> None:
    """A mask for every token does not fit the blocks after a cut."""
    model = apply(tiny(), Schedule((17, 9, 9, 9), full=17, prefix=1))
    with pytest.raises(UnsupportedModelError) as refused:
        model.blocks[1](torch.zeros(1, 17, 24), **mask)
    assert str(refused.value) == (
        "block 1 drops tokens and takes no attention mask: "
        "run the model without attn_mask and is_causal, or undo(model) first"
    )
