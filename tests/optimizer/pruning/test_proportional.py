"""Proportional attention: a token that stands for several patches counts as often."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optimizer.errors import ScheduleError, UnsupportedModelError
from optimizer.plan import SCORES as NAMES
from optimizer.pruning import apply, trace, undo
from optimizer.pruning.cut import plan_cuts
from optimizer.pruning.trail import Decision, Trail
from optimizer.schedule import Schedule

from .masking import kept_of
from .small import executed, full_counts, size_of, small
from .test_padding import patches
from .tiny import images, logits, losing, tiny

# Families whose positions can be made to say nothing, so that two patches can be alike.
FAMILIES: dict[str, dict[str, Any]] = {
    "vit_tiny_patch16_224": {},
    "deit_tiny_distilled_patch16_224": {},
    "vit_small_patch14_reg4_dinov2": {},
    "vit_base_patch16_siglip_224": {},
    "vit_base_patch16_rpn_224": {},
    "vit_pwee_patch16_reg1_gap_256": {},
    "vit_dpwee_patch16_reg1_gap_256": {},
    "vit_dwee_patch16_reg1_gap_256": {},
    "vit_base_patch16_18x2_224": {},
    "eva_giant_patch14_224": {},
    "eva02_enormous_patch14_clip_224": {},
    "vit_small_patch16_rope_mixed_ape_224": {},
    "beit_base_patch16_224": {},
    "beit_large_patch16_224": {"use_shared_rel_pos_bias": True},
    "vit_relpos_small_patch16_224": {"rel_pos_type": "bias"},
    "vit_relpos_base_patch16_cls_224": {"rel_pos_type": "bias"},
    "vit_srelpos_small_patch16_224": {"rel_pos_type": "bias"},
    "vit_relpos_medium_patch16_rpn_224": {"rel_pos_type": "bias"},
    "cait_xxs24_224": {},
    "naflexvit_base_patch16_gap": {},
}


COPIES = {
    "merge": [0, 1, 2, 3, 0, 1, 2, 3, 0, 0, 0, 0, 0, 1, 1, 2],
    "average": [0, 1, 2, 3, *[4] * 12],
}


def placeless(name: str) -> Any:
    """A small model to which all places are the same; its biases stay, alike for all."""
    model = small(name, **FAMILIES[name])
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if key.endswith(("pos_embed", "rope.freqs", "embeds.pos_embed")):
                weight.zero_()
            if key.endswith("relative_position_bias_table"):
                weight.copy_(weight[:1].expand_as(weight))
            if "qkv" in key or "in_proj" in key:
                weight.mul_(0.3)  # so that no softmax looks at one key alone
    return model


def repeated(batch: Tensor, copies: list[int]) -> Tensor:
    """Images that repeat patches: place i of the 4 x 4 shows what place copies[i] did."""
    side = batch.shape[-1] // 4
    count, channels = batch.shape[:2]
    places = batch.unfold(2, side, side).unfold(3, side, side).flatten(2, 3)[:, :, copies]
    grid = places.reshape(count, channels, 4, 4, side, side).permute(0, 1, 2, 4, 3, 5)
    return grid.reshape(batch.shape)


def first(q: Tensor, _k: Tensor, _v: Tensor, _prefix: int) -> Tensor:
    """The earlier a token, the longer it is kept."""
    return -torch.arange(q.shape[2], dtype=torch.float32).expand(len(q), -1)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("dropped", ["merge", "average"])
def test_what_stands_for_equal_patches_is_as_good_as_them(name: str, dropped: str) -> None:
    """Patches that repeat, dropped twice: those that stay answer as if none had gone.

    Merged: four patches, each some times, of which eight and then four are left. Averaged:
    four patches and one that repeats for the rest, of which the rest become one token.
    """
    model, batch = placeless(name), images(2, size=size_of(name))
    full, prefix = full_counts(model, batch)
    batch = repeated(batch, COPIES[dropped])
    _, wanted = executed(model, batch)
    left = (8, 4, 4) if dropped == "merge" else (9, 5, 5)
    schedule = Schedule(tuple(prefix + one for one in left), full, prefix)
    apply(model, schedule, first, dropped, proportional=True)
    counts, found = executed(model, batch)
    assert counts == schedule.tokens
    kept = trace(model, batch)[-1]
    wanted = kept_of(wanted, kept, schedule)
    found = found[:, : wanted.shape[1]]
    assert (found - wanted).norm() < 1e-5 * wanted.norm()
    apply(undo(model), schedule, first, dropped)
    plain = executed(model, batch)[1][:, : wanted.shape[1]]
    assert (plain - wanted).norm() > 1e-3 * wanted.norm()


def test_a_lossless_last_cut_hears_sizes_too() -> None:
    """The class token's one row is weighed as all were."""
    model = tiny()
    full = 17
    for dropped in ("merge", "average"):
        cut = Schedule((17, 12, 9, 9), full, 1)
        apply(model, cut, "cls", dropped, proportional=True)
        wanted = logits(model, images())
        apply(undo(model), Schedule((17, 12, 9, 1), full, 1), "cls", dropped, proportional=True)
        found = logits(model, images())
        undo(model)
        assert (found - wanted).norm() < 1e-5 * wanted.norm()


def test_nothing_changes_before_the_first_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only attention that sees fewer tokens takes a mask; that is one row for each image."""
    masks: list[Any] = []
    fused = nn.functional.scaled_dot_product_attention

    def watch(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        masks.append(options.get("attn_mask"))
        return fused(q, k, v, **options)

    model = tiny()
    apply(model, losing(model, 0, 5, 0, 4), "value-norm", "average", proportional=True)
    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", watch)
    logits(model, images())
    assert masks[:2] == [None, None]
    for mask in masks[2:]:
        assert mask.shape == (3, 1, 1, 12)
        assert torch.equal(mask[:, 0, 0, :-1], torch.zeros(3, 11))
        assert torch.allclose(mask[:, 0, 0, -1], torch.tensor(math.log(6)))


def test_at_full_counts_the_bits_stay() -> None:
    model = tiny()
    before = logits(model, images())
    apply(model, Schedule((17,) * 4, 17, 1), proportional=True)
    assert model.pruning.proportional
    assert torch.equal(logits(model, images()), before)


def test_sizes_by_hand() -> None:
    """Two prefix tokens of one; merged patches of 1 and 3; a mean of 5."""
    kept, gone = torch.tensor([[0, 2]]), torch.tensor([[1, 3]])
    merged = Trail().after(Decision(kept, gone, sizes=torch.tensor([[1.0, 3.0]])))
    assert merged.log_sizes(prefix=2).tolist() == [
        [[pytest.approx([0.0, 0.0, 0.0, math.log(3)])]]
    ]
    averaged = Trail().after(Decision(kept, gone), averaged=True, represented=5)
    assert averaged.log_sizes(prefix=0).tolist() == [[[pytest.approx([0.0, 0.0, math.log(5)])]]]


def test_it_is_planned_for_blocks_behind_the_first_cut() -> None:
    schedule = Schedule((17, 9, 9, 4), 17, 1)
    cuts = plan_cuts(schedule, dropped="merge", score="cls", proportional=True)
    assert [cut.proportional for cut in cuts] == [False, False, True, True]


def test_dropped_tokens_leave_nothing_to_weigh() -> None:
    model = tiny()
    with pytest.raises(ScheduleError) as refused:
        apply(model, losing(model, 0, 5, 0, 4), "cls", "drop", proportional=True)
    assert str(refused.value) == (
        "proportional is True and dropped is 'drop', where every token stands for one patch: "
        "choose 'average' or 'merge', or leave proportional out"
    )
    assert not hasattr(model, "pruning")


def test_a_block_alone_does_not_know_what_its_tokens_stand_for() -> None:
    model = tiny()
    apply(model, losing(model, 0, 5, 0, 4), "cls", "average", proportional=True)
    with pytest.raises(UnsupportedModelError) as refused:
        model.blocks[2](torch.zeros(1, 12, 24))
    assert str(refused.value) == (
        "block 2 weighs tokens by the patches that they stand for, which only the whole model "
        "knows: run the model, or apply(..., proportional=False)"
    )


@pytest.mark.parametrize(
    "name",
    [
        "vit_small_patch16_dinov3",
        "qwen3_vit_88m_enc",
        "deepseek_vit_412m_align",
        "gemma4_vit_167m",
    ],
)
@pytest.mark.parametrize("dropped", ["merge", "average"])
def test_rotated_families_take_it(name: str, dropped: str) -> None:
    """Exact counts, other answers, an undo; and an image answers as it does alone."""
    model, batch = small(name), images(2, size=size_of(name))
    before = logits(model, batch)
    full, prefix = full_counts(model, batch)
    schedule = Schedule((full - 8, full - 8, full - 9), full, prefix)
    apply(model, schedule, "cls", dropped)
    plain = logits(model, batch)
    apply(undo(model), schedule, "cls", dropped, proportional=True)
    assert executed(model, batch)[0] == schedule.tokens
    found = logits(model, batch)
    assert (found - plain).norm() > 1e-5 * plain.norm()
    alone = torch.cat([logits(model, batch[:1]), logits(model, batch[1:])])
    assert (found - alone).norm() < 1e-4 * found.norm()
    assert torch.equal(logits(undo(model), batch), before)


@pytest.mark.parametrize("score", NAMES)
def test_every_score_reads_the_attention_as_it_is(score: str) -> None:
    """Weights with sizes sum to one, so that no score is lost to the mask."""
    model = tiny("distilled")
    apply(model, losing(model, 4, 4, 4, 0), score, "merge", proportional=True)
    assert logits(model, images()).isfinite().all()
    assert [entry.shape[1] for entry in trace(model, images())] == [12, 8, 4, 4]


def test_padding_stands_for_nothing() -> None:
    """It is masked as it was, and what is merged counts patches alone."""
    model, batch = small("naflexvit_base_patch16_gap"), patches()
    prefix = model.num_prefix_tokens
    schedule = Schedule((18 + prefix, 10 + prefix, 10 + prefix), 22 + prefix, prefix)
    apply(model, schedule, "cls", "merge", proportional=True)
    together = logits(model, batch)
    assert together.isfinite().all()
    plain = logits(apply(undo(model), schedule, "cls", "merge"), batch)
    assert (together - plain).norm() > 1e-4 * plain.norm()
    apply(undo(model), schedule, "cls", "merge", proportional=True)
    more = {
        key: torch.cat([value, torch.zeros_like(value[:1])]) for key, value in batch.items()
    }
    more["patch_valid"][-1, :5] = True
    assert (logits(model, more)[:3] - together).norm() < 1e-4 * together.norm()


def test_checkpointing_gives_the_same_gradients() -> None:
    model, batch = tiny(), images()
    apply(model, losing(model, 0, 5, 0, 4), "cls", "merge", proportional=True)

    def gradients() -> list[Tensor]:
        model.zero_grad()
        model(batch).square().mean().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    plain = gradients()
    model.set_grad_checkpointing()
    for found, wanted in zip(gradients(), plain, strict=True):
        torch.testing.assert_close(found, wanted)


def test_autocast_takes_the_mask() -> None:
    model, batch = tiny(), images()
    apply(model, losing(model, 0, 5, 0, 4), "cls", "merge", proportional=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = logits(model, batch)
    wanted = logits(model, batch)
    assert found.isfinite().all()
    assert found.shape == wanted.shape


@pytest.mark.parametrize("dropped", ["merge", "average"])
def test_it_compiles_and_exports_with_any_batch(dropped: str) -> None:
    """As one graph, without a scatter."""
    torch.compiler.reset()
    model = tiny("dinov2-registers")
    apply(model, losing(model, 0, 5, 0, 4), "cls", dropped, proportional=True)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(logits(compiled, images()), logits(model, images()))
    dim = torch.export.Dim("batch")
    program = torch.export.export(model, (images(2),), dynamic_shapes=({0: dim},))
    torch.testing.assert_close(program.module()(images(5)), logits(model, images(5)))
    assert not [node for node in program.graph.nodes if "scatter" in str(node.target)]
