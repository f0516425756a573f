"""Correct or refused: models that are not known exactly are left as they were."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

import pytest
import torch
from timm.models.beit import Beit
from timm.models.eva import Eva
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import (  # type: ignore[attr-defined]
    Attention,
    ParallelScalingBlock,
    VisionTransformer,
)
from timm.models.xcit import Xcit
from torch import Tensor, nn

from optimizer.errors import UnsupportedModelError
from optimizer.pruning import apply
from optimizer.schedule import Schedule

from .tiny import anatomy, images, logits, losing, tiny

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEDULE = Schedule((17, 9, 9, 9), full=17, prefix=1)
SMALL: dict[str, Any] = {"img_size": 32, "embed_dim": 24, "num_classes": 5}
PLAIN = SMALL | {"patch_size": 8, "depth": 4, "num_heads": 3}

MODELS: dict[str, Callable[[], nn.Module]] = {
    "swin_transformer.SwinTransformer": lambda: SwinTransformer(
        **SMALL, depths=(2,), num_heads=(3,), window_size=4
    ),
    "beit.Beit": lambda: Beit(**PLAIN),
    "eva.Eva": lambda: Eva(**PLAIN),
    "xcit.Xcit": lambda: Xcit(**PLAIN),
}


class OwnModel(VisionTransformer):
    """Anyone's subclass: its forward may do anything."""


class OwnAttention(Attention):
    """Anyone's subclass: its forward may do anything."""


def refusal(model: nn.Module) -> str:
    """The sentence with which a model is refused, after seeing that it is unchanged."""
    parts = anatomy(model)
    with pytest.raises(UnsupportedModelError) as refused:
        apply(model, SCHEDULE)
    assert anatomy(model) == parts
    return str(refused.value)


@pytest.mark.parametrize("name", MODELS)
def test_another_model_is_refused(name: str) -> None:
    """Found and supported are named."""
    assert refusal(MODELS[name]()) == (
        f"found timm.models.{name}: supported are exactly timm's VisionTransformer and "
        "VisionTransformerDistilled, before any wrapping or compiling"
    )


def test_a_wrapped_or_derived_model_is_refused() -> None:
    """What a wrapper or a subclass does with tokens is not known."""
    assert refusal(nn.DataParallel(tiny())).startswith("found torch.nn.parallel")
    compiled: Any = torch.compile(tiny(), backend="eager")
    assert refusal(compiled).startswith("found torch._dynamo.eval_frame.OptimizedModule:")
    own = OwnModel(img_size=32, patch_size=8, embed_dim=24, depth=4, num_heads=3)
    assert refusal(own).startswith(f"found {__name__}.OwnModel: supported are exactly")


def test_another_block_is_refused() -> None:
    """A parallel block has no place between attention and MLP."""
    assert refusal(tiny(block_fn=ParallelScalingBlock)) == (
        "blocks[0] is timm.models.vision_transformer.ParallelScalingBlock: "
        "supported is exactly timm's Block"
    )


def test_another_attention_is_refused() -> None:
    """Also in a block that would not be cut: later blocks must bear fewer tokens."""
    model = tiny()
    model.blocks[2].attn = OwnAttention(24, num_heads=3)
    assert refusal(model) == (
        f"blocks[2].attn is {__name__}.OwnAttention: supported is exactly timm's Attention"
    )


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("", "the model"),
        ("blocks.1", "blocks[1]"),
        ("blocks.1.attn", "blocks[1].attn"),
    ],
)
def test_a_forward_set_on_the_object_is_refused(path: str, where: str) -> None:
    """It would run in place of the swapped class's, and the cut would not happen."""
    model = tiny()
    part = model.get_submodule(path)
    part.forward = MethodType(type(part).forward, part)
    assert refusal(model) == (
        f"{where} has a forward of its own, set on the object: "
        "supported is timm's, so apply before whatever set it"
    )


def test_a_timm_whose_attention_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The restatement is compared with what timm does, block by block."""
    timm = Attention.forward

    def other(self: Any, x: Tensor, *rest: Any, **options: Any) -> Tensor:
        return 1.001 * timm(self, x, *rest, **options)

    monkeypatch.setattr(Attention, "forward", other)
    assert refusal(tiny("deit3")) == (
        "blocks[1].attn does not compute what it did in timm 1.0.3 to 1.0.31: "
        "install one of these, or remove the hook that changes it"
    )


def test_a_timm_whose_block_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the attention is compared."""
    model = tiny()
    block = type(model.blocks[0])

    def parallel(self: Any, x: Tensor) -> Tensor:
        result: Tensor = x + self.attn(self.norm1(x)) + self.mlp(self.norm2(x))
        return result

    monkeypatch.setattr(block, "forward", parallel)
    assert refusal(model).startswith("blocks[1] does not compute what it did in timm")


def test_a_hook_that_changes_the_attention_is_refused() -> None:
    """A cut block does not call `attn` itself, so the hook would be lost in silence."""
    model = tiny()
    model.blocks[1].attn.register_forward_hook(lambda _, __, out: 2 * out)
    assert refusal(model).startswith("blocks[1].attn does not compute")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes_pass_the_comparison(dtype: torch.dtype) -> None:
    """Both sides round alike."""
    model = tiny("dinov2-registers").to(dtype)
    apply(model, losing(model, 0, 5, 0, 4))
    answer = logits(model, images().to(dtype))
    assert answer.dtype == dtype
    assert answer.isfinite().all()
