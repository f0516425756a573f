from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import timm
import torch
from timm.layers import SwiGLU, SwiGLUPacked  # type: ignore[attr-defined]
from timm.models.naflexvit import NaFlexVit
from timm.models.vision_transformer import (
    Block,
    ParallelScalingBlock,
    ParallelThingsBlock,
    VisionTransformer,
)

from latmodel.architectures import build_model, describe
from latmodel.errors import UnknownModelError, WorkloadError
from latmodel.workload import Workload

SIZES: dict[str, Any] = {
    "img_size": 32,
    "patch_size": 8,
    "embed_dim": 24,
    "depth": 2,
    "num_heads": 3,
    "num_classes": 5,
}
TINY = Workload(
    model="VisionTransformer",
    depth=2,
    dim=24,
    heads=3,
    head_dim=8,
    mlp_width=96,
    tokens=17,
    prefix=1,
    patch_inputs=8 * 8 * 3,
    classes=5,
    prefix_head=True,
)


def tiny(**options: Any) -> VisionTransformer:
    """A model without weights."""
    with torch.device("meta"):
        return VisionTransformer(**(SIZES | options))


def refused(model: Any) -> str:
    with pytest.raises(WorkloadError) as caught:
        describe(model)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        ({}, {}),
        ({"mlp_ratio": 2}, {"mlp_width": 48}),
        ({"reg_tokens": 4}, {"prefix": 5, "tokens": 21}),
        (
            {"class_token": False, "global_pool": "avg"},
            {"prefix": 0, "tokens": 16, "prefix_head": False},
        ),
        ({"global_pool": "avg"}, {"prefix_head": False}),
        ({"global_pool": "max"}, {"prefix_head": False}),
        ({"global_pool": "map"}, {"prefix_head": False}),
        ({"global_pool": ""}, {"prefix_head": False}),
        ({"init_values": 1e-5}, {"layer_scale": True}),
        ({"qk_norm": True}, {"qk_norm": True}),
        ({"num_classes": 0}, {"classes": 0}),
        ({"in_chans": 1}, {"patch_inputs": 64}),
        ({"img_size": (32, 64)}, {"tokens": 33}),
        ({"mlp_layer": SwiGLU, "mlp_ratio": 2}, {"mlp_width": 48, "gated_mlp": True}),
        ({"mlp_layer": SwiGLUPacked, "mlp_ratio": 2}, {"mlp_width": 24, "gated_mlp": True}),
    ],
)
def test_every_shape_is_read_off_the_model(
    options: dict[str, Any], shapes: dict[str, Any]
) -> None:
    assert describe(tiny(**options)) == replace(TINY, **shapes)


def test_batch_and_dtype_are_the_callers() -> None:
    assert describe(tiny(), batch=8, dtype="bf16") == TINY.at(batch=8, dtype="bf16")


def test_another_pooling_is_another_reading() -> None:
    """It is asked of the model, not of its name."""
    model: Any = timm.create_model("test_vit")
    assert describe(model).prefix_head
    model.reset_classifier(5, global_pool="avg")
    assert not describe(model).prefix_head


def test_a_model_by_name_is_described_as_the_model_itself() -> None:
    """Same shapes, same label; a name allocates no weight."""
    assert describe(timm.create_model("test_vit")) == describe("test_vit")
    assert describe("test_vit").model == "test_vit"


def test_the_models_of_timm_that_are_no_vision_transformer_are_refused() -> None:
    assert refused("swin_tiny_patch4_window7_224") == (
        "swin_tiny_patch4_window7_224 is a SwinTransformer: only plain vision transformers "
        "(timm's VisionTransformer, Eva, Beit and the like: ViT, DeiT, DINOv2, DINOv3, CLIP, "
        "SigLIP ...) keep one sequence of tokens from block to block that can be cut"
    )
    assert refused("xcit_nano_12_p16_224") == (
        "xcit_nano_12_p16_224 is a Xcit: only plain vision transformers "
        "(timm's VisionTransformer, Eva, Beit and the like: ViT, DeiT, DINOv2, DINOv3, CLIP, "
        "SigLIP ...) keep one sequence of tokens from block to block that can be cut"
    )
    assert refused(torch.nn.Linear(1, 1)).startswith("Linear is a Linear: only plain vision ")


@pytest.mark.parametrize("block", [ParallelScalingBlock, ParallelThingsBlock])
def test_blocks_that_run_all_at_once_are_refused(block: type) -> None:
    assert refused(tiny(block_fn=block)) == (
        f"VisionTransformer has blocks of {block.__name__}, which can be cut but not planned: "
        "it is cut after the block, and a latency table has its cuts between attention and MLP"
    )


def test_one_odd_block_among_ordinary_ones_is_refused() -> None:
    model = tiny()
    model.blocks[1] = torch.nn.Identity()
    assert refused(model) == (
        "VisionTransformer has blocks of Identity with NoneType: known of this model are "
        "timm's Block with Attention, Block with DiffAttention, ResPostBlock with Attention"
    )


@pytest.mark.parametrize(
    ("name", "kind", "shapes"),
    [
        ("vit_base_patch16_rpn_224", "reordered", (196, 0, 12, 64, 3072, False)),
        ("vit_dwee_patch16_reg1_gap_256", "differential", (257, 1, 4, 64, 1280, False)),
        ("eva_giant_patch14_224", "reordered", (257, 1, 16, 88, 6144, False)),
        ("eva02_tiny_patch14_224", "rotary", (257, 1, 3, 64, 512, True)),
        ("vit_small_patch16_dinov3", "rotary", (261, 5, 6, 64, 1536, False)),
        ("beit_base_patch16_224", "biased", (197, 1, 12, 64, 3072, False)),
        ("vit_relpos_small_patch16_224", "biased", (196, 0, 6, 64, 1536, False)),
        ("naflexvit_base_patch16_gap", "flexible", (580, 4, 12, 64, 3072, False)),
        ("qwen3_vit_88m", "rotary", (2304, 0, 12, 64, 3072, False)),
        ("deepseek_vit_412m", "rotary", (1521, 0, 16, 64, 2816, True)),
        ("gemma4_vit_167m_enc", "sandwich", (2304, 0, 12, 64, 3072, True)),
    ],
)
def test_every_family_has_its_kind(name: str, kind: str, shapes: tuple[Any, ...]) -> None:
    """Tokens, prefix, heads, their width, the MLP's width and whether it is gated."""
    found = describe(name)
    assert found.kind == kind
    assert (
        found.tokens,
        found.prefix,
        found.heads,
        found.head_dim,
        found.mlp_width,
        found.gated_mlp,
    ) == shapes


def test_a_classifier_on_an_encoder_is_described_by_it() -> None:
    with torch.device("meta"):
        classifier = timm.create_model("gemma4_vit_167m", num_classes=7)
    assert describe(classifier).classes == 7
    assert replace(describe(classifier), classes=0).same_shapes(describe("gemma4_vit_167m_enc"))


def test_what_no_operator_models_is_refused() -> None:
    assert refused("cait_xxs24_224") == (
        "cait_xxs24_224 has blocks of LayerScaleBlock, which can be cut but not planned: its "
        "attention mixes the maps of its heads, and class attention follows the blocks: no "
        "operator here is either"
    )
    assert refused("vit_huge_patch16_sapiens2") == (
        "vit_huge_patch16_sapiens2 has 16 heads on 8 keys and values: no operator here shares "
        "them"
    )


def test_a_model_of_no_size_is_refused() -> None:
    with torch.device("meta"):
        model = NaFlexVit(embed_dim=24, depth=1, num_heads=3)
    assert refused(model) == (
        "NaFlexVit takes images of any size and timm names none for it: its token count is not "
        "known; create it by timm.create_model"
    )


def test_an_unknown_mlp_is_refused() -> None:
    class OtherMlp(torch.nn.Identity):
        pass

    model = tiny()
    for block in model.blocks:
        block.mlp = OtherMlp()
    assert refused(model) == (
        "VisionTransformer has an MLP of OtherMlp: known are Mlp, GluMlp and SwiGLU"
    )


def test_blocks_that_differ_are_refused() -> None:
    """One set of shapes describes them all."""
    model = tiny()
    model.blocks[1] = Block(24, 3, mlp_ratio=2)
    assert refused(model) == (
        "VisionTransformer has 2 blocks of 2 shapes: there must be at least one block, and all "
        "must be alike"
    )


def test_a_model_without_blocks_is_refused() -> None:
    assert refused(tiny(depth=0)).startswith("VisionTransformer has 0 blocks of 0 shapes: ")


def test_a_convolutional_stem_is_refused() -> None:
    """Its latency does not follow from token counts."""
    assert refused("vit_tiny_r_s16_p8_224") == (
        "vit_tiny_r_s16_p8_224 embeds its patches by a HybridEmbed: a convolutional stem's "
        "latency does not follow from token counts"
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        (
            "deit_smal_patch16_224",
            "did you mean deit_small_patch16_224, deit3_small_patch16_224, "
            "vit_small_patch16_224?",
        ),
        ("qqqq", "see timm.list_models()"),
        ("", "see timm.list_models()"),
        ("hf-hub:someone/something", "see timm.list_models()"),
    ],
)
def test_an_unknown_model_names_the_near_ones(name: str, near: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        describe(name)
    assert str(caught.value) == f"timm {timm.__version__} has no model {name!r}; {near}"


def test_a_model_is_built_ready_to_run() -> None:
    model = build_model("test_vit", num_classes=3)
    assert not model.training
    assert describe(model).classes == 3
