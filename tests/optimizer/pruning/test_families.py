"""What holds of every family: one architecture each, each law once."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from optimizer.errors import UnsupportedModelError
from optimizer.plan import DROPPED
from optimizer.plan import SCORES as NAMES
from optimizer.pruning import apply, trace, undo
from optimizer.pruning.trunks.registry import trunk_of

from .small import executed, losing, size_of, small
from .tiny import anatomy, images, logits

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES: dict[str, dict[str, Any]] = {
    "vit_tiny_patch16_224": {},
    "deit_tiny_distilled_patch16_224": {},
    "deit3_small_patch16_224": {},
    "vit_small_patch14_reg4_dinov2": {},
    "vit_base_patch16_clip_224": {},
    "vit_base_patch16_siglip_224": {},
    "vit_base_patch16_rpn_224": {},
    "vit_pwee_patch16_reg1_gap_256": {},
    "vit_dpwee_patch16_reg1_gap_256": {},
    "vit_dwee_patch16_reg1_gap_256": {},
    "vit_base_patch16_18x2_224": {},
    "vit_tiny_r_s16_p8_224": {},
    "eva_giant_patch14_224": {},
    "eva02_tiny_patch14_224": {},
    "eva02_enormous_patch14_clip_224": {},
    "vit_small_patch16_rope_224": {},
    "vit_small_patch16_rope_mixed_ape_224": {},
    "vit_small_patch16_dinov3": {},
    "vit_base_patch16_sapiens2": {},
    "vit_pe_core_tiny_patch16_384": {},
    "vit_pe_spatial_gigantic_patch14_448": {},
    "beit_base_patch16_224": {},
    "vit_relpos_small_patch16_224": {},
    "vit_relpos_base_patch16_cls_224": {},
    "vit_srelpos_small_patch16_224": {},
    "vit_relpos_medium_patch16_rpn_224": {},
    "cait_xxs24_224": {},
    "naflexvit_base_patch16_map": {},
    "naflexvit_base_patch16_gap": {"rope_type": "axial", "attn_type": "rope"},
    "naflexvit_base_patch16_parfac_gap": {"rope_type": "mixed", "attn_type": "rope"},
    "qwen3_vit_88m_merge": {},
    "qwen3_vit_88m_enc": {},
    "deepseek_vit_412m_align": {},
    "gemma4_vit_167m": {},
    "gemma4_vit_167m_enc": {},
}

each_family = pytest.mark.parametrize("name", FAMILIES)


def cut(name: str, score: str = "pomt", dropped: str = "average") -> Any:
    """A small model of the family that drops tokens in its first and last block."""
    model = small(name, **FAMILIES[name])
    schedule = losing(model, images(1, size=size_of(name)), 4, 0, 5)
    return apply(model, schedule, score, dropped)


def batch_for(name: str, *, seed: int = 1) -> Tensor:
    return images(2, size=size_of(name), seed=seed)


@each_family
@pytest.mark.parametrize("dropped", DROPPED)
def test_counts_are_exact_and_images_alone(name: str, dropped: str) -> None:
    """Planned counts are executed, and an image answers as it does without its batch."""
    model, batch = cut(name, "received-attention", dropped), batch_for(name)
    assert executed(model, batch)[0] == model.pruning.schedule.tokens
    together = logits(model, batch)
    alone = torch.cat([logits(model, batch[:1]), logits(model, batch[1:])])
    assert (together - alone).norm() < 1e-4 * together.norm()


@each_family
def test_every_score_decides(name: str) -> None:
    """Positions rise, are never repeated and never return, and scores differ in them."""
    model, batch = cut(name), batch_for(name)
    schedule = model.pruning.schedule
    found = set()
    scores = [score for score in NAMES if (name[:6], score) != ("gemma4", "value-norm")]
    for score in scores:
        apply(undo(model), schedule, score, "drop")
        before = torch.arange(schedule.full - schedule.prefix).expand(2, -1)
        for kept in trace(model, batch):
            assert (kept.diff(dim=1) > 0).all()
            for row, above in zip(kept.tolist(), before.tolist(), strict=True):
                assert set(row) <= set(above)
            before = kept
        found.add(tuple(before.flatten().tolist()))
    assert len(found) >= len(scores) - 1


def test_a_score_that_sees_no_difference_is_refused() -> None:
    """Rounding would choose the tokens."""
    with pytest.raises(UnsupportedModelError) as refused:
        cut("gemma4_vit_167m", "value-norm")
    assert str(refused.value) == (
        "score is 'value-norm', which tells no token of a Gemma4Block from another: its "
        "values are all normalised to one length; choose another score"
    )


@each_family
def test_copies_files_and_undo_are_exact(name: str, tmp_path: Path) -> None:
    """A copy, and a model from a file, answer bit for bit; undoing one leaves the other."""
    model, batch = cut(name, "random", "merge"), batch_for(name)
    answer = logits(model, batch)
    other = copy.deepcopy(model)
    assert torch.equal(answer, logits(other, batch))
    torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    assert torch.equal(answer, logits(loaded, batch))
    uncut = small(name, **FAMILIES[name])
    for one in (other, loaded):
        undo(one)
        assert anatomy(one) == anatomy(uncut)
        assert torch.equal(logits(one, batch), logits(uncut, batch))
    assert torch.equal(answer, logits(model, batch))
    uncut.load_state_dict(model.state_dict())


@each_family
def test_two_threads_share_a_model(name: str) -> None:
    """Each gets what it gets alone, and the model carries nothing afterwards."""
    model = cut(name)
    parts = anatomy(model)
    batches = [batch_for(name, seed=seed) for seed in range(2)]
    alone = [logits(model, batch) for batch in batches]

    def work(turn: int) -> bool:
        found = logits(model, batches[turn % 2])
        return torch.allclose(found, alone[turn % 2], rtol=1e-4, atol=1e-4)

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(work, range(6)))
    assert anatomy(model) == parts


@each_family
@pytest.mark.parametrize("dropped", DROPPED)
def test_checkpointing_gives_the_same_gradients(name: str, dropped: str) -> None:
    """Running a block again in backward cuts the same tokens."""
    model, batch = cut(name, "pomt", dropped), batch_for(name)
    plain = gradients(model, batch)
    model.set_grad_checkpointing()
    for found, wanted in zip(gradients(model, batch), plain, strict=True):
        torch.testing.assert_close(found, wanted)


def gradients(model: Any, batch: Tensor) -> list[Tensor]:
    model.zero_grad()
    model(batch).square().mean().backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@each_family
def test_intermediates_are_what_the_blocks_gave(name: str) -> None:
    """As tokens, those that are left; as a grid, every patch, the kept ones in place."""
    model, batch = cut(name, "key-norm", "drop"), batch_for(name)
    schedule = model.pruning.schedule
    dense = trunk_of(model).restores
    options: dict[str, Any] = {"intermediates_only": True}
    with torch.no_grad():
        tokens = model.forward_intermediates(batch, output_fmt="NLC", **options)
        grids = model.forward_intermediates(batch, output_fmt="NCHW", **options)
        early = model.forward_intermediates(
            batch, indices=[0], stop_early=True, output_fmt="NLC", **options
        )
        features, _ = model.forward_intermediates(batch, output_fmt="NLC")
        wanted = model.forward_features(batch)
    torch.testing.assert_close(features, wanted)
    assert torch.equal(early[0], tokens[0])
    remaining = trace(model, batch)
    for kept, some, grid, count in zip(remaining, tokens, grids, schedule.tokens, strict=True):
        rows = grid.flatten(2).transpose(1, 2)
        assert rows.shape[1] == schedule.full - schedule.prefix
        assert some.shape[1] in (count - schedule.prefix, rows.shape[1])
        here = rows.gather(1, kept.unsqueeze(-1).expand(-1, -1, rows.shape[2]))
        assert torch.equal(here, some if some.shape[1] == kept.shape[1] else here)
        assert dense or some.shape[1] == kept.shape[1]
