"""Apply and undo: what they change, what they refuse, what they leave."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import timm
import torch

from optimizer.errors import ScheduleError, UnsupportedModelError
from optimizer.plan import DROPPED
from optimizer.plan import SCORES as NAMES
from optimizer.pruning import apply, trace, undo
from optimizer.pruning.state import Applied, applied
from optimizer.schedule import Schedule

from .tiny import FORMS, anatomy, features, images, logits, losing, randomised, tiny

if TYPE_CHECKING:
    from pathlib import Path

SCORE_CHOICES = (
    "choose one of 'pomt', 'cls', 'value-norm', 'key-norm', 'received-attention', 'random', "
    "or a function"
)


@pytest.mark.parametrize("score", NAMES)
def test_state_dict_is_unchanged(score: str) -> None:
    """Same keys in the same order, same values, and it loads into an uncut model."""
    model = tiny("dinov2-registers")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    apply(model, losing(model, 0, 5, 0, 4), score)
    after = model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    tiny("dinov2-registers", seed=1).load_state_dict(after)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("score", ["pomt", "random"])
def test_undo_restores_everything(form: str, score: str) -> None:
    """Classes, attributes, flags and every bit of the logits."""
    model = tiny(form)
    before, parts = logits(model, images()), anatomy(model)
    assert apply(model, losing(model, 2, 5, 0, 4), score) is model
    assert not torch.equal(before, logits(model, images()))
    assert undo(model) is model
    assert anatomy(model) == parts
    assert torch.equal(before, logits(model, images()))


def test_only_blocks_that_drop_tokens_change() -> None:
    """The others run timm's own code."""
    model = tiny()
    blocks = [type(block) for block in model.blocks]
    apply(model, losing(model, 0, 5, 0, 4))
    changed = [type(block) is not was for block, was in zip(model.blocks, blocks, strict=True)]
    assert changed == [False, True, False, True]


def test_applied_says_what_was_applied() -> None:
    """The names are kept as they were given."""
    model = tiny("siglip")
    schedule = losing(model, 0, 5, 0, 4)
    apply(model, schedule, score="cls", dropped="drop")
    assert applied(model) == Applied(schedule, "cls", "drop")


def test_apply_leaves_flags_and_random_state_alone() -> None:
    """A model in training with dropout stays so, and no random number is used up."""
    model = tiny(proj_drop_rate=0.2, attn_drop_rate=0.2, drop_path_rate=0.2).train()
    before = torch.get_rng_state()
    apply(model, losing(model, 0, 5, 0, 4), "random")
    assert all(part.training for part in model.modules())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("score", NAMES)
def test_a_copy_is_a_model_of_its_own(score: str) -> None:
    """It answers the same, and undoing it leaves the original cut."""
    model = apply(tiny(), losing(tiny(), 0, 5, 0, 4), score)
    before = logits(model, images())
    other = copy.deepcopy(model)
    assert torch.equal(before, logits(other, images()))
    with torch.no_grad():
        other.blocks[1].attn.qkv.weight.zero_()
    assert not torch.equal(before, logits(other, images()))
    undo(other)
    assert features(other, images()).shape[1] == 17
    assert torch.equal(before, logits(model, images()))


@pytest.mark.parametrize("score", NAMES)
def test_a_saved_model_comes_back_cut(score: str, tmp_path: Path) -> None:
    """The whole model, by torch.save: same logits, and undo still works."""
    model = apply(tiny("distilled"), losing(tiny("distilled"), 0, 5, 0, 4), score)
    torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    assert torch.equal(logits(model, images()), logits(loaded, images()))
    assert type(undo(loaded)) is type(tiny("distilled"))


@pytest.mark.parametrize("dropped", DROPPED)
def test_a_model_within_a_features_wrapper_gives_dense_grids(dropped: str) -> None:
    """Timm's wrapper asks for grids: every place is filled, the kept ones by their tokens."""
    wrapped: Any = timm.create_model(
        "test_vit", features_only=True, img_size=64, out_indices=(0, 2, 3)
    )
    randomised(wrapped)
    model, batch = wrapped.model, images(2, size=64)
    apply(model, losing(model, 0, 5, 0, 4), "value-norm", dropped)
    with torch.no_grad():
        grids = wrapped(batch)
        tokens = model.forward_intermediates(batch, output_fmt="NLC", intermediates_only=True)
    remaining = trace(model, batch)
    for grid, block in zip(grids, (0, 2, 3), strict=True):
        assert grid.shape == (2, 64, 4, 4)
        kept = remaining[block]
        rows = grid.flatten(2).mT.gather(1, kept.unsqueeze(-1).expand(-1, -1, 64))
        assert torch.equal(rows, tokens[block][:, : kept.shape[1]])


def test_applying_twice_is_refused() -> None:
    """The first schedule stays."""
    model = apply(tiny(), losing(tiny(), 0, 5, 0, 0))
    with pytest.raises(ScheduleError) as refused:
        apply(model, losing(tiny(), 0, 0, 0, 0))
    assert str(refused.value) == "the model already carries a schedule: undo(model) first"
    assert applied(model).schedule.tokens == (17, 12, 12, 12)


def test_undoing_nothing_is_refused() -> None:
    """And so is undoing twice."""
    model = undo(apply(tiny(), losing(tiny(), 0, 5, 0, 0)))
    with pytest.raises(ScheduleError) as refused:
        undo(model)
    assert str(refused.value) == (
        "this VisionTransformer carries no schedule: apply(model, schedule) first"
    )


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (Schedule((9, 9), full=17, prefix=1), "the schedule's depth is 2, this model's is 4"),
        (
            Schedule((9,) * 4, full=18, prefix=1),
            "the schedule's full is 18, this model's is 17",
        ),
        (
            Schedule((9,) * 4, full=17, prefix=2),
            "the schedule's prefix is 2, this model's is 1",
        ),
    ],
)
def test_a_schedule_for_another_model_is_refused(schedule: Schedule, sentence: str) -> None:
    """The first number that differs is named, and the model is unchanged."""
    model = tiny()
    parts = anatomy(model)
    with pytest.raises(ScheduleError) as refused:
        apply(model, schedule)
    assert str(refused.value) == (
        f"{sentence}: make the schedule for this model and image size"
    )
    assert anatomy(model) == parts


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"dropped": "melt"}, "dropped is 'melt': choose one of 'drop', 'average', 'merge'"),
        (
            {"score": "best"},
            "score is 'best': " + SCORE_CHOICES,
        ),
        (
            {"score": "pooled"},
            "score is 'pooled': " + SCORE_CHOICES,
        ),
    ],
)
def test_an_unknown_choice_is_refused(choice: dict[str, Any], sentence: str) -> None:
    """The choices are listed, and the model is unchanged."""
    model = tiny()
    parts = anatomy(model)
    with pytest.raises(ScheduleError) as refused:
        apply(model, losing(model, 0, 5, 0, 4), **choice)
    assert str(refused.value) == sentence
    assert anatomy(model) == parts


def test_undoing_through_a_wrapper_is_refused() -> None:
    """The model within stays cut, whole."""
    model = apply(tiny(), losing(tiny(), 0, 5, 0, 0))
    compiled: Any = torch.compile(model, backend="eager")
    parts = anatomy(model)
    with pytest.raises(ScheduleError, match="this OptimizedModule carries no schedule"):
        undo(compiled)
    assert anatomy(model) == parts


def test_a_model_without_weights_is_cut_too() -> None:
    """On the meta device shapes still follow the schedule; a random order needs weights."""
    model = tiny().to("meta")
    apply(model, losing(model, 0, 5, 0, 4))
    assert model.forward_features(images().to("meta")).shape == (3, 8, 24)
    undo(model)
    with pytest.raises(UnsupportedModelError, match="score 'random' stores an order"):
        apply(model, losing(model, 0, 5, 0, 4), "random")
