"""Batches of images of different sizes: padding goes first and is no part of anything."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from optimizer.errors import UnsupportedModelError
from optimizer.plan import SCORES as NAMES
from optimizer.pruning import apply, trace, undo
from optimizer.pruning.trail import Trail
from optimizer.pruning.trunks.padded import still_real
from optimizer.schedule import Schedule

from .masking import Hiding, kept_of, visible_keys
from .small import executed, small
from .tiny import logits

MODELS: dict[str, dict[str, Any]] = {
    "naflexvit_base_patch16_map": {},
    "naflexvit_base_patch16_siglip": {},
    "naflexvit_base_patch16_gap": {},
    "naflexvit_base_patch16_par_gap": {"rope_type": "axial", "attn_type": "rope"},
    "naflexvit_base_patch16_parfac_gap": {"rope_type": "mixed", "attn_type": "rope"},
    "gemma4_vit_167m": {},
}
GRIDS = ((4, 5), (3, 4), (2, 6))


def patches(grids: tuple[tuple[int, int], ...] = GRIDS, *, room: int = 22) -> dict[str, Tensor]:
    """Random patches of images with these grids, padded to so many places."""
    batch = len(grids)
    found = {
        "patches": torch.zeros(batch, room, 16 * 16 * 3),
        "patch_coord": torch.zeros(batch, room, 2, dtype=torch.long),
        "patch_valid": torch.zeros(batch, room, dtype=torch.bool),
    }
    for image, (rows, columns) in enumerate(grids):
        count = rows * columns
        generator = torch.Generator().manual_seed(10 * rows + columns)
        found["patches"][image, :count] = torch.randn(count, 768, generator=generator)
        places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
        found["patch_coord"][image, :count] = places
        found["patch_valid"][image, :count] = True
    return found


def cut(name: str, score: str, dropped: str, *lost: int, room: int = 22) -> Any:
    model = small(name, **MODELS[name])
    prefix = getattr(model, "num_prefix_tokens", 0)
    full = room + prefix
    tokens = tuple(full - sum(lost[: block + 1]) for block in range(len(lost)))
    return apply(model, Schedule(tokens, full, prefix), score, dropped)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        (name, score)
        for name in MODELS
        for score in NAMES[:-1]  # all but the fixed order
        if (name[:6], score) != ("gemma4", "value-norm")  # which is refused
    ],
)
@pytest.mark.parametrize("dropped", ["drop", "merge"])
def test_an_image_answers_as_it_does_without_padding(
    name: str, score: str, dropped: str
) -> None:
    """Padded to others' length or alone: the same counts give the same answer."""
    together = logits(cut(name, score, dropped, 10, 0, 4), patches())
    for image, (rows, columns) in enumerate(GRIDS):
        room = rows * columns
        model = cut(name, score, dropped, room - 12, 0, 4, room=room)
        alone = logits(model, patches((GRIDS[image],), room=room))[0]
        assert (together[image] - alone).norm() < 1e-4 * alone.norm()


@pytest.mark.parametrize("name", MODELS)
def test_padding_that_stays_is_masked(name: str) -> None:
    """Where more is kept than an image has, its answer is the uncut one."""
    model, batch = cut(name, "cls", "drop", 2, 0, 3), patches(((3, 4), (4, 4)))
    found = logits(model, batch)
    assert executed(model, batch)[0] == model.pruning.schedule.tokens
    undo(model)
    torch.testing.assert_close(found, logits(model, batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_dropping_patches_of_unlike_images_equals_masking(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rotations, masks and positions are each image's own."""
    model, batch = cut(name, "cls", "drop", 12, 0, 4), patches()
    schedule, remaining = model.pruning.schedule, trace(model, batch)
    tokens = executed(model, batch)[1]
    undo(model)
    dense = Hiding(model, visible_keys(remaining, schedule)).last_block(batch, monkeypatch)
    wanted = kept_of(dense, remaining[-1], schedule)
    assert (tokens - wanted).norm() < 1e-4 * wanted.norm()


def test_padding_is_known_by_its_place() -> None:
    """Wherever it stands: timm's own loaders put it last."""
    valid = torch.tensor([[False, True, True], [True, False, True]])
    trail = Trail(torch.tensor([[0, 2], [1, 2]]))
    left = still_real(valid, trail)
    assert left is not None
    assert left.tolist() == [[False, True], [False, True]]
    assert still_real(valid, Trail()) is valid
    assert still_real(None, trail) is None


def test_one_order_for_unlike_images_is_refused() -> None:
    """Where padding lies depends on the other images of the batch."""
    model = cut("naflexvit_base_patch16_map", "random", "drop", 4, 0, 4)
    with pytest.raises(UnsupportedModelError) as refused:
        logits(model, patches())
    assert str(refused.value) == (
        "score is 'random', one order for all images, and these come with padding at "
        "different places: apply with another score"
    )


def test_a_mean_over_padding_is_refused() -> None:
    """It would depend on the other images of the batch."""
    model = cut("naflexvit_base_patch16_map", "cls", "average", 4, 0, 4)
    with pytest.raises(UnsupportedModelError) as refused:
        logits(model, patches())
    assert str(refused.value) == (
        "dropped is 'average', and these images come with padding, which is no part of a "
        "mean: apply with dropped='drop' or 'merge'"
    )


def test_what_has_no_single_shape_is_refused() -> None:
    """One mask for intermediates of several lengths, and a grid of unlike grids."""
    model, batch = cut("naflexvit_base_patch16_map", "cls", "drop", 4, 0, 4), patches()
    with pytest.raises(UnsupportedModelError, match="one patch_valid for all intermediates"):
        model.forward_intermediates(batch, output_fmt="NLC", output_dict=True)
    with pytest.raises(ValueError, match="whose grids differ: use 'NLC'"):
        model.forward_intermediates(batch, output_fmt="NCHW")
    tokens = model.forward_intermediates(batch, output_fmt="NLC", intermediates_only=True)
    assert [entry.shape[1] for entry in tokens] == [18, 18, 14]


def test_padding_that_is_kept_is_merged_into_nothing() -> None:
    """More tokens are kept than some images have patches: none of them divides by zero."""
    model = cut("naflexvit_base_patch16_gap", "cls", "merge", 4, 4, 2)
    assert logits(model, patches()).isfinite().all()
