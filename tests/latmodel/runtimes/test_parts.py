from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from latmodel.architectures import describe
from latmodel.errors import WorkloadError
from latmodel.runtimes.parts import Part, Parts
from latmodel.runtimes.torch_eager import TorchEager
from latmodel.workload import DTYPES
from tests.latmodel.runtimes.small import SMALL, shrink

MODEL = "test_vit"  # the smallest vision transformer in timm: 6 blocks of 64 features


def parts_of(batch: int = 2, dtype: torch.dtype = torch.float32) -> Parts:
    return Parts(describe(MODEL, batch=batch), dtype=dtype, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def parts() -> Parts:
    return parts_of()


def output(part: Part) -> torch.Tensor:
    """The last output, which is the only one but for the ends."""
    with torch.inference_mode():
        found = part.module(*part.inputs)
    last: torch.Tensor = found[-1] if isinstance(found, tuple) else found
    return last


@pytest.mark.parametrize("count", [1, 2, 50, 101])
def test_parts_run_on_exactly_the_count_asked(parts: Parts, count: int) -> None:
    """Batch 2, 64 features: blocks and MLPs keep the count, a cut arrives at it."""
    made = [parts.blocks(count), parts.mlps(count), parts.cut(count)]
    assert [part.inputs[0].shape[1] for part in made] == [count, count, 101]
    assert [output(part).shape for part in made] == [(2, count, 64)] * 3
    assert [(part.name, part.count) for part in made] == [
        (name, count) for name in ("blocks", "mlps", "cut")
    ]


def test_ends_and_model_give_what_the_model_gives(parts: Parts) -> None:
    assert [output(part).shape for part in (parts.ends(), parts.whole())] == [(2, 1000)] * 2


def test_the_ends_embed_and_read_tokens_of_their_own(parts: Parts) -> None:
    """Else a compiler might leave the embedding out, which the class token does not need."""
    images, x = parts.ends().inputs
    with torch.inference_mode():
        embedded, logits = parts.ends().module(images, x)
        assert torch.equal(embedded, parts.model._pos_embed(parts.model.patch_embed(images)))
        assert torch.equal(logits, parts.model.forward_head(parts.model.norm(x)))


def test_one_block_is_the_first_of_all(parts: Parts) -> None:
    x = parts.block(5).inputs[0]
    block = parts.model.blocks[0]
    with torch.inference_mode():
        assert torch.equal(output(parts.block(5)), block(x))
        assert torch.equal(output(parts.mlp(5)), x + block.mlp(block.norm2(x)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_dtype_runs(dtype: torch.dtype) -> None:
    parts = parts_of(dtype=dtype)
    for part in (parts.blocks(3), parts.mlps(3), parts.cut(3), parts.ends(), parts.whole()):
        assert {tensor.dtype for tensor in part.inputs} == {dtype}
        assert output(part).dtype == dtype


def test_counts_and_readings_cost_no_memory(parts: Parts) -> None:
    """Modules, weights and inputs are shared; inputs are laid out as tensors of their own."""
    few, many = parts.blocks(3), parts.blocks(90)
    assert few.module is many.module
    assert few.inputs[0].data_ptr() == many.inputs[0].data_ptr()
    assert few.inputs[0].is_contiguous()
    assert many.inputs[0].std() > 0.5
    for made in (parts.ends, parts.whole, lambda: parts.cut(5)):
        assert made().module is made().module
    mlps, cut, other = parts.mlps(90), parts.cut(5), parts.cut(6)
    assert set(mlps.module.parameters()) == set(many.module.parameters())
    assert [x.data_ptr() for x in cut.inputs] == [x.data_ptr() for x in other.inputs]
    assert len({x.data_ptr() for x in cut.inputs}) == 4


def test_all_parts_are_in_evaluation_mode(parts: Parts) -> None:
    """Else dropout would be timed, and exported."""
    made = (parts.blocks(3), parts.mlps(3), parts.cut(3), parts.ends(), parts.whole())
    for part in made:
        assert not any(module.training for module in part.module.modules())


@pytest.mark.parametrize(
    "name",
    [
        "deit_small_patch16_224",
        "deit_tiny_distilled_patch16_224",  # two heads
        "vit_base_patch16_siglip_224",  # attention pooling
        "vit_base_patch16_clip_224",  # a norm before the blocks
        "vit_medium_patch16_gap_256",  # the mean of all tokens
        "vit_small_patch14_reg4_dinov2",  # registers, no head
    ],
)
def test_blocks_and_ends_together_are_the_model(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What is timed in parts is all of what is timed as a whole: same modules, each once."""
    shrink(monkeypatch, **({"img_size": 56} if "patch14" in name else {}))
    parts = TorchEager(name, device="cpu")._parts
    called: list[str] = []
    for part, module in parts.model.named_modules():
        if not list(module.children()) and not isinstance(module, (nn.Identity, nn.Dropout)):
            module.register_forward_hook(lambda *_, part=part: called.append(part))
    whole_shape = output(parts.whole()).shape
    whole = sorted(called)
    called.clear()
    output(parts.blocks(parts.workload.tokens))
    assert output(parts.ends()).shape == whole_shape
    assert sorted(called) == whole
    assert len(whole) > 8 * SMALL["depth"]


def test_mlp_halves_are_the_blocks_own() -> None:
    """Blocks whose attention adds nothing are their MLP halves."""
    parts = TorchEager("test_vit2", device="cpu")._parts  # with layer scale
    model: Any = parts.model
    for block in model.blocks:
        nn.init.uniform_(block.ls2.gamma)
        nn.init.zeros_(block.ls1.gamma)
    blocks, mlps = output(parts.blocks(7)), output(parts.mlps(7))
    assert not torch.equal(blocks, parts.blocks(7).inputs[0])
    assert torch.equal(blocks, mlps)


def test_a_cut_keeps_the_best_tokens_in_order_and_averages_the_rest() -> None:
    """Tokens 1 and 3 have all attention and the largest values; the others are averaged."""
    x = torch.arange(4.0).reshape(1, 4, 1)
    k = torch.tensor([0.0, 9.0, 0.0, 8.0]).reshape(1, 1, 4, 1)
    q = torch.ones(1, 1, 4, 1)
    cut = parts_of().cut(3).module
    assert cut(x, q, k, k).flatten().tolist() == [1.0, 3.0, 1.0]


def test_a_fixed_image_size_is_built() -> None:
    """test_vit takes any size by default; exported, it would resample its positions."""
    assert parts_of().model.dynamic_img_size is False


def test_every_dtype_of_a_workload_is_known() -> None:
    for dtype in DTYPES:
        assert TorchEager(MODEL, dtype=dtype, device="cpu").environment().dtype == dtype


def test_a_model_of_another_kind_is_not_taken_apart() -> None:
    """Its blocks would run without what goes beside the tokens."""
    rotary = describe("eva02_tiny_patch14_224")
    with pytest.raises(WorkloadError) as caught:
        Parts(rotary, dtype=torch.float32, device=torch.device("cpu"))
    assert str(caught.value) == (
        "eva02_tiny_patch14_224 is rotary: its blocks take more than tokens or are laid out "
        "otherwise, so its parts cannot be timed one by one; plan it from a profile with an "
        "operator model"
    )
