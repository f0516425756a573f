"""What a cut model computes, against truths that share none of its code."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from timm.models.vision_transformer import Attention  # type: ignore[attr-defined]
from torch import Tensor, nn
from torch.nn import functional

from optimizer.plan import DROPPED
from optimizer.plan import SCORES as NAMES
from optimizer.pruning import apply, trace

from . import reference
from .tiny import FORMS, PATCHES, features, images, logits, losing, randomised, tiny

fused = functional.scaled_dot_product_attention


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dropped", DROPPED)
def test_full_counts_change_no_bit(form: str, dropped: str) -> None:
    """A schedule without a cut leaves classes and logits alone."""
    model = tiny(form)
    before, classes = logits(model, images()), [type(part) for part in model.modules()]
    apply(model, losing(model, 0, 0, 0, 0), dropped=dropped)
    assert torch.equal(before, logits(model, images()))
    assert classes == [type(part) for part in model.modules()]


def masked_features(
    model: Any, batch: Tensor, visible: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> Tensor:
    """Run an uncut model at full length, keys hidden from the attention of each block."""
    calls = iter(visible)

    def hiding(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        mask = next(calls)[:, None, None, :].expand(-1, -1, q.shape[2], -1)
        return fused(q, k, v, **options | {"attn_mask": mask})

    with monkeypatch.context() as patched:
        patched.setattr(functional, "scaled_dot_product_attention", hiding)
        return features(model, batch)


@pytest.mark.parametrize("score", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_dropping_equals_masking(
    form: str, score: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens hidden as keys from all later attention might as well not be there."""
    model, batch = tiny(form), images()
    schedule = losing(model, 0, 5, 0, 4)
    apply(model, schedule, score, "drop")
    remaining = trace(model, batch)
    visible = [torch.ones(len(batch), schedule.full, dtype=torch.bool)]
    for kept in remaining[:-1]:
        visible.append(torch.zeros_like(visible[0]).scatter(1, kept + schedule.prefix, True))
        visible[-1][:, : schedule.prefix] = True
    dense = masked_features(tiny(form), batch, visible, monkeypatch)
    front = torch.arange(schedule.prefix).expand(len(batch), -1)
    places = torch.cat([front, remaining[-1] + schedule.prefix], dim=1)
    wanted = dense.gather(1, places.unsqueeze(-1).expand(-1, -1, dense.shape[-1]))
    error = (features(model, batch) - wanted).norm() / wanted.norm()
    assert error < 1e-4


LOSSES = [(1, 1, 1, 0), (0, 6, 0, 4), (0, PATCHES - 1, 0, 0), (5, 0, 10, 0)]


@pytest.mark.parametrize("lost", LOSSES)
@pytest.mark.parametrize("dropped", DROPPED)
@pytest.mark.parametrize(
    ("form", "score"),
    [
        ("vit", "pomt"),
        ("distilled", "cls"),
        ("dinov2-registers", "value-norm"),
        ("registers-without-class", "cls"),
        ("qk-norm", "pomt"),
    ],
)
def test_a_cut_model_equals_the_slow_reference(
    form: str, score: str, dropped: str, lost: tuple[int, ...]
) -> None:
    """One image at a time, by lists and loops, gives the same tokens."""
    model, batch = tiny(form), images(2)
    schedule = losing(model, *lost)
    by_hand = "pooled" if form == "registers-without-class" else score
    wanted = torch.stack(
        [
            reference.cut_features(model, image, schedule, score=by_hand, dropped=dropped)
            for image in batch
        ]
    )
    apply(model, schedule, score, dropped)
    torch.testing.assert_close(features(model, batch), wanted, rtol=1e-4, atol=1e-5)


def test_the_averaged_token_is_the_mean_of_the_dropped_states() -> None:
    """At a first cut: of the states after the attention's residual, all weighing the same."""
    model, batch = tiny("deit3"), images()
    block = model.blocks[1]
    apply(model, losing(model, 0, 6, 0, 0), "pomt", "average")
    seen: dict[str, Tensor] = {}
    block.register_forward_pre_hook(lambda _, args: seen.update(entering=args[0]))
    block.norm2.register_forward_pre_hook(lambda _, args: seen.update(leaving=args[0]))
    logits(model, batch)
    with torch.no_grad():
        state = seen["entering"] + block.ls1(block.attn(block.norm1(seen["entering"])))
    for image, kept in enumerate(trace(model, batch)[1].tolist()):
        gone = [1 + patch for patch in range(PATCHES) if patch not in kept]
        assert len(gone) == 7
        torch.testing.assert_close(seen["leaving"][image, -1], state[image, gone].mean(dim=0))


@pytest.mark.parametrize("score", NAMES)
@pytest.mark.parametrize("dropped", DROPPED)
def test_an_image_does_not_depend_on_its_batch(score: str, dropped: str) -> None:
    """Alone or among others, its logits are the same."""
    model, batch = tiny("dinov2-registers"), images(4)
    apply(model, losing(model, 0, 5, 0, 4), score, dropped)
    together = logits(model, batch)
    for image in range(4):
        torch.testing.assert_close(together[image], logits(model, batch[image : image + 1])[0])


def test_attention_without_the_fused_kernel_gives_the_same() -> None:
    """Timm's own switch is obeyed, and both ways agree."""
    model = tiny("qk-norm")
    apply(model, losing(model, 0, 5, 0, 4))
    before = logits(model, images())
    for block in model.blocks:
        block.attn.fused_attn = False
    torch.testing.assert_close(logits(model, images()), before)


def counted(monkeypatch: pytest.MonkeyPatch, model: nn.Module, batch: Tensor) -> list[int]:
    """The queries of each call of fused attention."""
    lengths: list[int] = []

    def counting(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        lengths.append(q.shape[2])
        return fused(q, k, v, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counting)
    with torch.no_grad():
        model(batch)
    return lengths


@pytest.mark.parametrize("score", ["cls", "value-norm", "random"])
def test_fused_attention_stays_fused(monkeypatch: pytest.MonkeyPatch, score: str) -> None:
    """One call per block, cut or not."""
    model = apply(tiny(), losing(tiny(), 0, 5, 0, 4), score)
    assert counted(monkeypatch, model, images()) == [17, 17, 12, 12]


@pytest.mark.parametrize("score", ["pomt", "received-attention"])
def test_a_score_of_every_row_shares_them(monkeypatch: pytest.MonkeyPatch, score: str) -> None:
    """Where the score needs the whole matrix, a cut makes it once; other blocks stay fused."""
    model = apply(tiny(), losing(tiny(), 0, 5, 0, 4), score)
    assert counted(monkeypatch, model, images()) == [17, 12]


def test_in_16_bits_a_score_has_rows_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It computes in float32, so the values keep their fused attention."""
    model = apply(tiny().bfloat16(), losing(tiny(), 0, 5, 0, 4), "pomt")
    assert counted(monkeypatch, model, images().bfloat16()) == [17, 17, 12, 12]


@pytest.mark.skipif(
    "gated" not in inspect.signature(Attention.__init__).parameters,
    reason="this timm's attention has no gate",
)
def test_a_gated_and_normed_attention_is_cut_as_timm_runs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Newer timm's gate and scale norm are carried over."""
    model = tiny()
    for block in model.blocks:
        block.attn = Attention(
            24, num_heads=3, gated=True, scale_norm=True, norm_layer=nn.LayerNorm
        )
    randomised(model)
    batch = images()
    schedule = losing(model, 0, 0, 0, 5)
    dense = masked_features(
        model, batch, [torch.ones(3, 17, dtype=torch.bool)] * 4, monkeypatch
    )
    apply(model, schedule, "value-norm", "drop")
    places = torch.cat([torch.zeros(3, 1, dtype=torch.long), trace(model, batch)[3] + 1], dim=1)
    wanted = dense.gather(1, places.unsqueeze(-1).expand(-1, -1, 24))
    torch.testing.assert_close(features(model, batch), wanted, rtol=1e-4, atol=1e-5)


def by_first_feature(_q: Tensor, _k: Tensor, v: Tensor, prefix: int) -> Tensor:
    """A score of the caller's own."""
    assert prefix == 1
    return v[:, 0, :, 0]


def test_a_score_may_be_the_callers_own() -> None:
    """It sees q, k and v and decides which patches stay."""
    model, batch = tiny(), images()
    values: list[Tensor] = []
    block = model.blocks[1]
    block.attn.qkv.register_forward_hook(lambda _, __, out: values.append(out[:, 1:, 48]))
    apply(model, losing(model, 0, 5, 0, 0), by_first_feature, "drop")
    values.clear()
    kept = trace(model, batch)[1]
    assert torch.equal(kept, values[0].topk(11, dim=1).indices.sort(dim=1).values)
