"""The lossless last cut: only what the head reads leaves the last attention."""

from __future__ import annotations

import copy
from types import MethodType
from typing import TYPE_CHECKING, Any

import pytest
import torch
from timm.models.vision_transformer import (  # type: ignore[attr-defined]
    Attention,
    VisionTransformer,
)
from torch import Tensor, nn

from optimizer.errors import UnsupportedModelError
from optimizer.plan import DROPPED
from optimizer.pruning import apply, trace, undo
from optimizer.schedule import Schedule

from .small import executed, full_counts, size_of, small
from .test_padding import patches
from .tiny import anatomy, images, logits, tiny

if TYPE_CHECKING:
    from pathlib import Path

# One of each block and bias whose head reads the prefix alone, with what makes it so.
FAMILIES: dict[str, dict[str, Any]] = {
    "vit_tiny_patch16_224": {},
    "deit_tiny_distilled_patch16_224": {},
    "deit3_small_patch16_224": {},
    "vit_small_patch14_reg4_dinov2": {},
    "vit_base_patch16_clip_224": {},
    "vit_base_patch16_rpn_224": {"class_token": True, "global_pool": "token"},
    "eva_giant_patch14_224": {"global_pool": "token"},
    "eva02_enormous_patch14_clip_224": {"use_rot_pos_emb": True, "global_pool": "token"},
    "vit_small_patch16_rope_mixed_ape_224": {"global_pool": "token"},
    "vit_small_patch16_dinov3": {"global_pool": "token", "qkv_fused": False},
    "beit_base_patch16_224": {"global_pool": "token"},
    "beit_large_patch16_224": {"use_shared_rel_pos_bias": True, "global_pool": "token"},
    "vit_relpos_base_patch16_cls_224": {},
    "vit_srelpos_small_patch16_224": {"class_token": True, "global_pool": "token"},
    "naflexvit_base_patch16_gap": {"class_token": True, "global_pool": "token"},
    "naflexvit_base_patch16_parfac_gap": {
        "class_token": True,
        "global_pool": "token",
        "rope_type": "mixed",
        "attn_type": "rope",
    },
}

each_family = pytest.mark.parametrize("name", FAMILIES)


def family(name: str) -> tuple[Any, Tensor, int, int]:
    """A small model, images, the tokens that reach its blocks, and its prefix."""
    model, batch = small(name, **FAMILIES[name]), images(2, size=size_of(name))
    full, prefix = full_counts(model, batch)
    return model, batch, full, prefix


def ended(model: Any, *counts: int) -> Schedule:
    """A schedule with these counts for each image of 16 patches, then the prefix."""
    prefix = model.num_prefix_tokens
    full = 16 + prefix
    return Schedule((*(full,) * (3 - len(counts)), *counts, prefix), full, prefix)


@each_family
@pytest.mark.parametrize("dropped", DROPPED)
def test_logits_are_those_without_it_after_any_cut(name: str, dropped: str) -> None:
    """Whatever was cut before: the same logits, and only the prefix leaves."""
    model, batch, full, prefix = family(name)
    before = (full - 4, full - 7)
    apply(model, Schedule((*before, full - 7), full, prefix), "key-norm", dropped)
    wanted, positions = logits(model, batch), trace(model, batch)
    apply(undo(model), Schedule((*before, prefix), full, prefix), "key-norm", dropped)
    assert executed(model, batch)[0] == (*before, prefix)
    assert (logits(model, batch) - wanted).norm() < 1e-5 * wanted.norm()
    found = trace(model, batch)
    assert [torch.equal(one, other) for one, other in zip(found, positions, strict=True)] == [
        True,
        True,
        False,
    ]
    assert found[-1].shape == (2, 0)


@each_family
def test_gradients_are_those_without_it(name: str) -> None:
    """Also where blocks run again in backward."""
    model, batch, full, prefix = family(name)
    wanted = gradients(model, batch)
    apply(model, Schedule((full, full, prefix), full, prefix))
    for checkpointing in (False, True):
        model.set_grad_checkpointing(checkpointing)
        found = gradients(model, batch)
        assert found.keys() == wanted.keys()
        for key, gradient in wanted.items():
            assert (found[key] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6


def gradients(model: Any, batch: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    model(batch).square().mean().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_the_last_attention_computes_no_row_that_nobody_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One query, every key; the MLP sees one token."""
    asked: list[tuple[int, int]] = []
    fused = nn.functional.scaled_dot_product_attention

    def watch(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        asked.append((q.shape[2], k.shape[2]))
        return fused(q, k, v, **options)

    model = tiny()
    apply(model, ended(model, 12), "value-norm")
    rows: list[int] = []
    model.blocks[-1].mlp.register_forward_hook(lambda _m, x, _o: rows.append(x[0].shape[1]))
    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", watch)
    logits(model, images())
    assert asked == [(17, 17), (17, 17), (17, 17), (1, 12)]
    assert rows == [1]


def test_it_is_undone_copied_and_saved_exactly(tmp_path: Path) -> None:
    """A class changed, and nothing else."""
    model, batch = tiny("distilled"), images()
    parts, before = anatomy(model), logits(model, batch)
    apply(model, ended(model), "random")
    answer = logits(model, batch)
    torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    for other in (copy.deepcopy(model), loaded):
        assert torch.equal(logits(other, batch), answer)
        assert anatomy(undo(other)) == parts
        assert torch.equal(logits(other, batch), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes_answer_alike(dtype: torch.dtype) -> None:
    """To their own rounding."""
    model, batch = tiny("dinov2-registers").to(dtype), images().to(dtype)
    wanted = logits(model, batch)
    apply(model, ended(model))
    found = logits(model, batch)
    assert found.dtype == dtype
    assert (found - wanted).norm() < 16 * torch.finfo(dtype).eps * wanted.norm()


def test_autocast_answers_alike() -> None:
    """The slices of a weight are cast as the whole would be."""
    model, batch = tiny(), images()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = logits(model, batch)
        apply(model, ended(model))
        found = logits(model, batch)
    assert found.dtype == wanted.dtype
    assert (found - wanted).norm() < 0.05 * wanted.norm()


@pytest.mark.parametrize(
    ("form", "options", "pool"),
    [
        ("vit", {"global_pool": "avg"}, "avg"),
        ("vit", {"global_pool": "max"}, "max"),
        ("vit", {"global_pool": "map"}, "map"),
        ("vit", {"global_pool": ""}, ""),
        ("registers-without-class", {}, "avg"),
    ],
)
def test_a_head_that_reads_patches_is_refused(
    form: str, options: dict[str, Any], pool: str
) -> None:
    model = tiny(form, **options)
    parts, prefix = anatomy(model), model.num_prefix_tokens
    with pytest.raises(UnsupportedModelError) as refused:
        apply(model, ended(model))
    assert str(refused.value) == (
        f"the schedule ends in the {prefix} prefix tokens, and this model's head reads others "
        f"(global_pool is {pool!r}): give the last block more than the {prefix} prefix tokens"
    )
    assert anatomy(model) == parts


def test_a_head_that_was_changed_is_refused() -> None:
    """It is run, not only asked for its name."""
    model = tiny()

    def mean(self: VisionTransformer, x: Tensor, pre_logits: bool = False) -> Tensor:
        pooled: Tensor = x.mean(dim=1)
        return pooled if pre_logits else self.head(pooled)

    model.forward_head = MethodType(mean, model)
    with pytest.raises(UnsupportedModelError, match="this model's head reads others"):
        apply(model, ended(model))


@each_family
def test_a_head_that_is_reset_afterwards_is_refused(name: str) -> None:
    """A mean of no patch would be no number, and one of the prefix another model's."""
    model, batch, full, prefix = family(name)
    apply(model, Schedule((full, full, prefix), full, prefix))
    wanted = logits(model, batch)
    model.global_pool = "avg"
    with pytest.raises(UnsupportedModelError) as refused:
        logits(model, batch)
    assert str(refused.value) == (
        f"the schedule ends in the {prefix} prefix tokens, and this model's head reads others "
        "now (global_pool is 'avg'): undo(model), then give the last block more than the "
        f"{prefix} prefix tokens"
    )
    with torch.no_grad():
        assert model.forward_features(batch).shape[1] == prefix
    model.global_pool = "token"
    assert torch.equal(logits(model, batch), wanted)


def test_a_block_that_runs_all_at_once_is_refused() -> None:
    model = small("vit_base_patch16_18x2_224")
    full, prefix = full_counts(model, images(1, size=64))
    with pytest.raises(UnsupportedModelError) as refused:
        apply(model, Schedule((full, full, prefix), full, prefix))
    assert str(refused.value) == (
        "the schedule ends in the 1 prefix tokens, and blocks[2] is "
        "timm.models.vision_transformer.ParallelThingsBlock, which cannot be run for these "
        "alone: give the last block more than the 1 prefix tokens"
    )


def test_a_timm_whose_attention_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What leaves for the prefix is compared with timm's own."""
    timm = Attention.forward

    def other(self: Any, x: Tensor, *rest: Any, **options: Any) -> Tensor:
        return 1.001 * timm(self, x, *rest, **options)

    monkeypatch.setattr(Attention, "forward", other)
    model = tiny("deit3")
    with pytest.raises(UnsupportedModelError, match=r"^blocks\[3\]\.attn does not compute"):
        apply(model, ended(model))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_hook_on_the_product_is_heard(when: str) -> None:
    """A weight is not taken apart under somebody who listens."""
    model, heard = tiny(), []

    def louder(_module: nn.Module, _given: Any, said: Tensor) -> Tensor:
        heard.append(said.shape)
        return 1.5 * said

    if when == "before":
        model.blocks[-1].attn.qkv.register_forward_hook(louder)
    apply(model, ended(model))
    if when == "after":
        model.blocks[-1].attn.qkv.register_forward_hook(louder)
    heard.clear()
    found = logits(model, images())
    assert heard == [(3, 17, 72)]
    wanted = logits(undo(model), images())
    assert (found - wanted).norm() < 1e-5 * wanted.norm()


def test_a_product_that_is_more_than_one_runs_as_it_is() -> None:
    """An adapter's answer is not its weight's."""

    class Adapted(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 1.5 * super().forward(x)

    model = tiny()
    model.blocks[-1].attn.qkv.__class__ = Adapted
    wanted = logits(model, images())
    apply(model, ended(model))
    assert (logits(model, images()) - wanted).norm() < 1e-5 * wanted.norm()


def test_no_grid_is_made_of_a_block_that_leaves_no_patch() -> None:
    """Tokens are given; a grid of the last block is refused, of the others is not."""
    model, batch = tiny("dinov2-registers"), images()
    apply(model, ended(model, 21, 15), "cls", "average")
    options: dict[str, Any] = {"intermediates_only": True}
    with torch.no_grad():
        grids = model.forward_intermediates(batch, indices=[1, 2], **options)
        pairs = model.forward_intermediates(
            batch, output_fmt="NLC", return_prefix_tokens=True, **options
        )
        with pytest.raises(UnsupportedModelError) as refused:
            model.forward_intermediates(batch, **options)
    assert [tuple(grid.shape) for grid in grids] == [(3, 24, 4, 4)] * 2
    assert [tuple(tokens.shape) for tokens in pairs[-1]] == [(3, 0, 24), (3, 5, 24)]
    assert str(refused.value) == (
        "block 3 leaves prefix tokens alone (a lossless last cut), so its intermediate is no "
        "grid: ask for other indices or output_fmt='NLC', or apply a schedule whose last block "
        "keeps patches"
    )


def test_padding_is_heard_by_nobody() -> None:
    """Images of different sizes; nothing is averaged or ordered by it, so that is no matter."""
    name = "naflexvit_base_patch16_gap"
    model, batch = small(name, **FAMILIES[name]), patches()
    wanted, prefix = logits(model, batch), model.num_prefix_tokens
    full = 22 + prefix
    for score, dropped in (("random", "drop"), ("pomt", "average")):
        apply(model, Schedule((full, full, prefix), full, prefix), score, dropped)
        assert (logits(model, batch) - wanted).norm() < 1e-5 * wanted.norm()
        with torch.no_grad():
            features = model.forward_features(**batch)
        assert features["patches"].shape[1] == prefix
        assert features["patch_valid"].shape == (3, 0)
        undo(model)


@pytest.mark.parametrize(
    "name",
    [
        "vit_small_patch14_reg4_dinov2",
        "vit_small_patch16_rope_mixed_ape_224",
        "beit_large_patch16_224",
        "naflexvit_base_patch16_gap",
    ],
)
def test_it_compiles_and_exports(name: str) -> None:
    """As one graph, for any batch, without a scatter."""
    torch.compiler.reset()
    model, batch, full, prefix = family(name)
    apply(model, Schedule((full, full - 5, prefix), full, prefix), "cls", "average")
    wanted = logits(model, batch)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(logits(compiled, batch), wanted)
    dim = torch.export.Dim("batch")
    program = torch.export.export(model, (batch,), dynamic_shapes=({0: dim},))
    three = images(3, size=size_of(name), seed=4)
    torch.testing.assert_close(program.module()(three), logits(model, three))
    assert not [node for node in program.graph.nodes if "scatter" in str(node.target)]


def test_a_model_without_weights_takes_it() -> None:
    """There is nothing to compare, and the counts hold."""
    with torch.device("meta"):
        model = tiny_without_weights()
    apply(model, ended(model))
    with torch.no_grad():
        assert model.forward_features(torch.empty(2, 3, 32, 32, device="meta")).shape[1] == 1


def tiny_without_weights() -> Any:
    return VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=4, num_heads=3)
