"""Correct or refused: models that are not known exactly are left as they were."""

from __future__ import annotations

import inspect
from types import MethodType
from typing import TYPE_CHECKING, Any

import pytest
import timm
import torch
from timm.models.convit import ConVit
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import (  # type: ignore[attr-defined]
    Attention,
    Block,
    VisionTransformer,
)
from timm.models.vision_transformer_sam import VisionTransformerSAM
from timm.models.xcit import Xcit
from torch import Tensor, nn

from optimizer.errors import UnsupportedModelError
from optimizer.pruning import apply
from optimizer.pruning.trunks.refused import REASONS
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
    "xcit.Xcit": lambda: Xcit(**PLAIN),
    "vision_transformer_sam.VisionTransformerSAM": lambda: VisionTransformerSAM(**PLAIN),
    "convit.ConVit": lambda: ConVit(**PLAIN),
    "volo.VOLO": lambda: timm.create_model("volo_d1_224", num_classes=5),
    "tnt.TNT": lambda: timm.create_model("tnt_s_patch16_224", depth=1, num_classes=5),
    "crossvit.CrossVit": lambda: timm.create_model("crossvit_tiny_240", num_classes=5),
    "pit.PoolingVisionTransformer": lambda: timm.create_model("pit_ti_224", num_classes=5),
}


class OwnModel(VisionTransformer):
    """Anyone's subclass: its forward may do anything."""


class OwnBlock(Block):
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
    """With the reason that stands in a list of ours."""
    with torch.device("meta"):
        model = MODELS[name]()
    assert refusal(model) == (
        f"found timm.models.{name}, which cannot be cut: {REASONS[name.split('.')[1]]}"
    )


def test_every_reason_is_about_a_model_of_timm() -> None:
    """A name that timm does not have would refuse nothing."""
    classes = {
        name
        for module in vars(timm.models).values()
        if inspect.ismodule(module)
        for name in vars(module)
    }
    assert set(REASONS) <= classes


def test_an_unknown_model_is_refused() -> None:
    """Found and supported are named."""
    with torch.device("meta"):
        model = timm.create_model("resnet18")
    assert refusal(model) == (
        "found timm.models.resnet.ResNet: supported are exactly timm's VisionTransformer, "
        "VisionTransformerDistilled, Eva, Beit, VisionTransformerRelPos, Cait, NaFlexVit, "
        "Qwen3VitEncoder, DeepseekVitEncoder, Gemma4VitEncoder, Qwen3VitClassifier, "
        "DeepseekVitClassifier, Gemma4VitClassifier, before any wrapping or compiling"
    )


@pytest.mark.parametrize("name", ["vit_base_patch16_224", "eva02_tiny_patch14_224"])
def test_a_model_for_features_only_is_refused(name: str) -> None:
    """Timm wraps it and asks for a grid: cut the model first, or ask it for intermediates."""
    with torch.device("meta"):
        model = timm.create_model(name, features_only=True, depth=2, out_indices=[0])
    assert refusal(model).startswith("found timm.models._features.FeatureGetterNet:")


def test_a_wrapped_or_derived_model_is_refused() -> None:
    """What a wrapper or a subclass does with tokens is not known."""
    assert refusal(nn.DataParallel(tiny())).startswith("found torch.nn.parallel")
    compiled: Any = torch.compile(tiny(), backend="eager")
    assert refusal(compiled).startswith("found torch._dynamo.eval_frame.OptimizedModule:")
    own = OwnModel(img_size=32, patch_size=8, embed_dim=24, depth=4, num_heads=3)
    assert refusal(own).startswith(f"found {__name__}.OwnModel: supported are exactly")


def test_another_block_is_refused() -> None:
    """Anyone's subclass may do anything between its attention and its MLP."""
    assert refusal(tiny(block_fn=OwnBlock)).startswith(
        f"blocks[0] is {__name__}.OwnBlock: supported are exactly timm's Block, ResPostBlock,"
    )


def test_another_attention_is_refused() -> None:
    """Also in a block that would not be cut: later blocks must bear fewer tokens."""
    model = tiny()
    model.blocks[2].attn = OwnAttention(24, num_heads=3)
    assert refusal(model) == (
        f"blocks[2].attn is {__name__}.OwnAttention: "
        "supported are exactly timm's Attention, DiffAttention"
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


def test_a_timm_whose_trunk_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands before and after the blocks is compared too."""
    timm = VisionTransformer.forward_features

    def other(self: Any, x: Tensor, *rest: Any, **options: Any) -> Tensor:
        return 1.001 * timm(self, x, *rest, **options)

    monkeypatch.setattr(VisionTransformer, "forward_features", other)
    assert refusal(tiny("deit3")) == (
        "the model around its blocks does not compute what it did in timm 1.0.3 to 1.0.31: "
        "install one of these, or remove the hook that changes it"
    )


def test_a_hook_on_all_blocks_is_refused() -> None:
    """They run one by one in a cut model, so it would be lost in silence."""
    model = tiny()
    model.blocks.register_forward_hook(lambda _, __, out: 2 * out)
    assert refusal(model) == (
        "the model's blocks have a hook as a whole, and a cut model runs them one by one: "
        "put it on the first or last block"
    )
