"""The lists of operators are what timm runs, whose own code is the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from timm.layers import Attention, SwiGLU, SwiGLUPacked  # type: ignore[attr-defined]
from timm.models.vision_transformer import VisionTransformer

from latmodel.architectures import describe
from latmodel.block_operators import (
    ROLES,
    Use,
    attention_half,
    cut_operators,
    embedding_operators,
    head_operators,
    mlp_half,
)
from latmodel.operator_kinds import DIMS
from latmodel.workload import Workload
from tests.latmodel.timm_operators import Found, operators_run

BATCH = 2
SIZES: dict[str, Any] = {
    "img_size": 32,
    "patch_size": 8,
    "embed_dim": 24,
    "depth": 2,
    "num_heads": 3,
    "num_classes": 5,
}
FORMS: list[dict[str, Any]] = [
    {},
    {"mlp_ratio": 2, "qkv_bias": False},
    {"init_values": 1e-5, "reg_tokens": 4},
    {"qk_norm": True},
    {"num_classes": 0},
    {"class_token": False, "global_pool": "", "num_classes": 0},
    {"mlp_layer": SwiGLUPacked, "mlp_ratio": 2, "init_values": 1e-5},
    {"no_embed_class": True, "proj_bias": False},
]


def made(**options: Any) -> tuple[VisionTransformer, Workload]:
    model = VisionTransformer(**(SIZES | options)).eval()
    return model, describe(model, batch=BATCH)


def listed(uses: Iterable[Use]) -> Counter[Found]:
    """The operators of a list, at its only count."""
    found: Counter[Found] = Counter()
    for use in uses:
        sizes = (np.asarray(use.operator.dims[n]).item() for n in DIMS[use.operator.kind])
        found[use.operator.kind, tuple(sizes)] += use.repeats
    return found


def of_model(workload: Workload) -> Counter[Found]:
    """Every operator of an uncut model."""
    full = np.array([workload.tokens])
    block = (*attention_half(workload, full), *mlp_half(workload, full))
    ends = (*embedding_operators(workload), *head_operators(workload))
    return listed((*block * workload.depth, *ends))


def images() -> torch.Tensor:
    return torch.zeros(BATCH, 3, 32, 32)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_whole_model_runs_the_operators_listed(form: dict[str, Any]) -> None:
    model, workload = made(**form)
    ran = operators_run(model, images())
    if form.get("no_embed_class"):  # positions of the patches alone, then the prefix
        ran[("add", (BATCH * 16, 24))] -= 1
        ran[("add", (BATCH * 17, 24))] += 1
    assert +ran == of_model(workload)


@pytest.mark.parametrize("count", [1, 5, 17])
@pytest.mark.parametrize("form", FORMS[:4], ids=str)
def test_a_block_runs_the_operators_listed_at_any_count(
    form: dict[str, Any], count: int
) -> None:
    model, workload = made(**form)
    ran = operators_run(model.blocks[0], torch.zeros(BATCH, count, 24))
    counts = np.array([count])
    assert ran == listed((*attention_half(workload, counts), *mlp_half(workload, counts)))


def test_heads_may_be_wider_than_the_model() -> None:
    model, _ = made()
    for block in model.blocks:
        wide = Attention(24, num_heads=3, attn_head_dim=16, qkv_bias=True).eval()
        block.attn = wide
    workload = describe(model, batch=BATCH)
    assert workload.head_dim == 16
    assert operators_run(model, images()) == of_model(workload)


def test_unfused_attention_is_two_products_and_a_softmax() -> None:
    """And a scaling of the queries, which is left out."""
    model, workload = made()
    attention: Any = model.blocks[0].attn
    attention.fused_attn = False
    ran = operators_run(model.blocks[0], torch.zeros(BATCH, 7, 24))
    counts = np.array([7])
    half = attention_half(workload, counts, fused=False)
    scaling: Counter[Found] = Counter({("add", (BATCH * 3 * 7, 8)): 1})
    assert ran == listed((*half, *mlp_half(workload, counts))) + scaling


def test_two_linears_of_one_width_are_taken_as_one_of_both() -> None:
    model, workload = made(mlp_layer=SwiGLU, mlp_ratio=2)
    ran = operators_run(model, images())
    ours = of_model(workload)
    rows = BATCH * workload.tokens
    assert ours - ran == Counter({("linear", (rows, 24, 96)): 2})
    assert ran - ours == Counter({("linear", (rows, 24, 48)): 4})


def test_the_attention_pool_of_siglip_is_left_out() -> None:
    """All that is missing is what the pool itself runs."""
    model, workload = made(class_token=False, global_pool="map")
    assert model.attn_pool is not None
    pool = operators_run(model.attn_pool, torch.zeros(BATCH, 16, 24))
    assert operators_run(model, images()) == of_model(workload) + pool


def test_the_norm_before_the_blocks_of_clip_is_left_out() -> None:
    model, workload = made(pre_norm=True)
    missing = operators_run(model, images()) - of_model(workload)
    assert missing == Counter({("norm", (BATCH * 17, 24)): 1})


def test_a_norm_after_an_average_sees_all_tokens_here() -> None:
    """After a pool in timm; the difference is one norm of few rows."""
    model, workload = made(class_token=False, global_pool="avg")
    ran, ours = operators_run(model, images()), of_model(workload)
    assert ran - ours == Counter({("norm", (BATCH, 24)): 1})
    assert ours - ran == Counter({("norm", (BATCH * 16, 24)): 1})


def test_every_role_is_known_and_in_order() -> None:
    _, workload = made(qk_norm=True, init_values=1e-5, mlp_layer=SwiGLUPacked)
    counts = np.arange(1, 18)
    uses = (
        *embedding_operators(workload),
        *attention_half(workload, counts),
        *attention_half(workload, counts, fused=False),
        *mlp_half(workload, counts),
        *cut_operators(workload, counts),
        *head_operators(workload),
    )
    assert {use.role for use in uses} == set(ROLES)
