"""What a score reads is what the attention did, in every kind of attention."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.models.vision_transformer import Block
from torch import Tensor
from torch.nn import functional

from optimizer.pruning import apply
from optimizer.pruning.attended import Attended
from optimizer.pruning.blocks.vision_transformer import attend
from optimizer.pruning.scores import SCORES, key_norm, most_of_heads

from .small import losing, size_of, small
from .tiny import images, logits

fused = functional.scaled_dot_product_attention


def every_row(seen: Attended) -> Tensor:
    """The whole attention matrix, however many queries are made at a time."""
    return torch.cat(list(seen.rows()), dim=2)


def seen_by_scores(model: Any, name: str, patched: pytest.MonkeyPatch) -> list[Attended]:
    """What each cut's score was given."""
    seen: list[Attended] = []

    def listening(one: Attended) -> Tensor:
        seen.append(one)
        return key_norm(one)

    batch = images(2, size=size_of(name))
    patched.setitem(SCORES, "key-norm", listening)
    apply(model, losing(model, batch, 3, 0, 3), "key-norm", "average")
    logits(model, batch)
    return seen


@pytest.mark.parametrize(
    "name",
    [
        "vit_small_patch14_reg4_dinov2",
        "vit_pwee_patch16_reg1_gap_256",
        "vit_base_patch16_sapiens2",
        "vit_small_patch16_rope_mixed_224",
        "beit_base_patch16_224",
        "vit_srelpos_small_patch16_224",
        "gemma4_vit_167m",
    ],
)
def test_rows_are_what_the_fused_kernel_weighs_by(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first cut and in a later one, where rotations and biases were gathered."""
    truths: list[Tensor] = []

    def weighing(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        plain = {key: options[key] for key in ("attn_mask", "scale") if key in options}
        truths.append(fused(q, k, torch.eye(k.shape[2]).expand(*k.shape[:3], -1), **plain))
        return fused(q, k, v, **options)

    model = small(name)
    monkeypatch.setattr(functional, "scaled_dot_product_attention", weighing)
    seen = seen_by_scores(model, name, monkeypatch)
    for one, wanted in zip(seen, (truths[-3], truths[-1]), strict=True):
        torch.testing.assert_close(every_row(one), wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.first_row(), wanted[:, :, :1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["cait_xxs24_224", "vit_dwee_patch16_reg1_gap_256"])
@torch.no_grad()
def test_rows_are_what_other_attention_weighs_by(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Talking heads and differences: timm's own output follows from the rows."""
    model = small(name)
    entering: list[Tensor] = []
    model.blocks[0].norm1.register_forward_hook(lambda _m, _i, out: entering.append(out))
    one = seen_by_scores(model, name, monkeypatch)[0]
    attention = model.blocks[0].attn
    mixed = every_row(one) @ one.v
    if not name.startswith("cait"):
        mixed = attention.sub_norm(mixed) * (1 - attention.lambda_init)
    found = attention.proj(mixed.transpose(1, 2).flatten(2))
    torch.testing.assert_close(found, attention(entering[-1]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one.first_row(), every_row(one)[:, :, :1])


@pytest.mark.parametrize("rows", [1, 5])
def test_the_mean_row_leaves_padding_out(rows: int) -> None:
    """Its bias is the mean of the real rows of the bias; a mask of one row is a mask."""
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, 5, 4)
    real = torch.tensor([[True] * 5, [True, True, True, False, False]])
    bias = torch.randn(2, 3, rows, 5).masked_fill(~real[:, None, None], -torch.inf)
    seen = Attended(None, q, k, v, 0.5, bias, real=real)
    for image, count in enumerate((5, 3)):
        query = q[image, :, :count].mean(dim=1, keepdim=True)
        own = bias[image, :, : min(rows, count), :count].mean(dim=1, keepdim=True)
        wanted = (0.5 * query @ k[image, :, :count].mT + own).softmax(dim=-1)
        torch.testing.assert_close(seen.mean_row()[image, :, :, :count], wanted)
        assert (seen.mean_row()[image, :, :, count:] == 0).all()


@pytest.mark.parametrize("tokens", [256, 257, 600])
@pytest.mark.parametrize("padded", [False, True])
def test_many_queries_are_made_in_parts(tokens: int, padded: bool) -> None:
    """Of at most 256; their rows, and what they sum to, are those of all at once."""
    q, k, v = torch.randn(3, 1, 2, tokens, 4, generator=torch.Generator().manual_seed(0))
    bias = torch.linspace(-1, 1, tokens).expand(1, 2, tokens, tokens).mT
    real = torch.arange(tokens).expand(1, -1) < tokens - 40 if padded else None
    seen = Attended(None, q, k, v, 0.5, bias, real=real)
    wanted = (0.5 * q @ k.mT + bias).softmax(dim=-1)
    assert max(part.shape[2] for part in seen.rows()) <= 256
    torch.testing.assert_close(every_row(seen), wanted)
    counted = wanted[:, :, : tokens - 40] if padded else wanted
    torch.testing.assert_close(
        seen.summed(lambda rows: rows.amax(dim=1)), counted.amax(dim=1).sum(dim=1)
    )


def test_values_and_score_share_parts() -> None:
    """A cut of a long sequence gives what fused attention gives, and the score's sums."""
    block = Block(dim=8, num_heads=2).eval()
    x = torch.randn(1, 600, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        shared = attend(block.attn, x, over_heads=most_of_heads)
        alone = attend(block.attn, x)
    torch.testing.assert_close(shared.output, alone.output)
    assert shared.received is not None
    torch.testing.assert_close(shared.received, alone.summed(most_of_heads))
