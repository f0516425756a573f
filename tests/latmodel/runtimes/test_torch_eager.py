from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from latmodel import timing
from latmodel.architectures import build_model, describe
from latmodel.errors import MeasurementError, UnknownModelError, WorkloadError
from latmodel.runtimes import torch_eager
from latmodel.runtimes.torch_eager import TORCH_DTYPES, TorchEager, synchronizer
from latmodel.workload import DTYPES, Workload

MODEL = "test_vit"  # the smallest vision transformer in timm: 6 blocks of 64 features


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """A model this small only waits for its own threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def timer() -> TorchEager:
    return TorchEager(MODEL, batch=2, device="cpu")


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """What the timed calls give, each called once; the samples are made up."""
    seen: list[tuple[int, ...]] = []

    def once(call: Any, **_: object) -> tuple[int, ...]:
        output = call()
        assert torch.is_inference_mode_enabled()
        seen.append(tuple(output.shape))
        return (1,)

    monkeypatch.setattr(torch_eager, "time_ns", once)
    return seen


def test_every_dtype_of_a_workload_is_known() -> None:
    assert tuple(TORCH_DTYPES) == DTYPES


@pytest.mark.parametrize("count", [1, 2, 50, 101])
def test_parts_run_on_exactly_the_count_asked(
    timer: TorchEager, shapes: list[tuple[int, ...]], count: int
) -> None:
    """Batch 2, 64 features: blocks and MLPs keep the count, a cut arrives at it."""
    for read in (timer.blocks_ns, timer.mlps_ns, timer.cut_ns):
        assert read(count, repeats=1) == (1,)
    assert shapes == [(2, count, 64)] * 3


def test_ends_and_model_give_what_the_model_gives(
    timer: TorchEager, shapes: list[tuple[int, ...]]
) -> None:
    timer.ends_ns(repeats=1)
    timer.model_ns(repeats=1)
    assert shapes == [(2, 1000)] * 2


SMALL: dict[str, Any] = {"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of timm's own forms, with few features."""

    def build(name: str) -> nn.Module:
        return build_model(name, **SMALL)

    def describing(name: str, *, batch: int, dtype: str) -> Workload:
        return describe(build(name), batch=batch, dtype=dtype)

    monkeypatch.setattr(torch_eager, "build_model", build)
    monkeypatch.setattr(torch_eager, "describe", describing)


@pytest.mark.usefixtures("small")
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
    if "patch14" in name:
        monkeypatch.setitem(SMALL, "img_size", 56)
    timer = TorchEager(name, device="cpu")
    model: Any = timer._model
    called: list[str] = []
    for part, module in model.named_modules():
        if not list(module.children()) and not isinstance(module, (nn.Identity, nn.Dropout)):
            module.register_forward_hook(lambda *_, part=part: called.append(part))
    outputs: list[torch.Tensor] = []
    monkeypatch.setattr(torch_eager, "time_ns", lambda call, **_: outputs.append(call()))
    timer.model_ns(repeats=1)
    whole = sorted(called)
    called.clear()
    timer.blocks_ns(timer.workload.tokens, repeats=1)
    timer.ends_ns(repeats=1)
    assert sorted(called) == whole
    assert outputs[0].shape == outputs[2].shape


def test_mlp_halves_are_the_blocks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks whose attention adds nothing are their MLP halves."""
    timer = TorchEager("test_vit2", device="cpu")  # with layer scale
    model: Any = timer._model
    outputs: list[torch.Tensor] = []
    tokens = torch.randn(1, 7, 64)
    monkeypatch.setattr(timer, "_tokens", lambda _: tokens)
    monkeypatch.setattr(torch_eager, "time_ns", lambda call, **_: outputs.append(call()))
    for block in model.blocks:
        nn.init.uniform_(block.ls2.gamma)
        nn.init.zeros_(block.ls1.gamma)
    timer.blocks_ns(7, repeats=1)
    timer.mlps_ns(7, repeats=1)
    assert not torch.equal(outputs[0], tokens)
    assert torch.equal(outputs[0], outputs[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_runs(dtype: str, shapes: list[tuple[int, ...]]) -> None:
    timer = TorchEager(MODEL, dtype=dtype, device="cpu")
    timer.cut_ns(3, repeats=1)
    timer.blocks_ns(3, repeats=1)
    assert shapes == [(1, 3, 64)] * 2
    assert timer.environment().dtype == dtype


def test_samples_are_positive_whole_nanoseconds(
    timer: TorchEager, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 10**9, 1000))
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: next(ticks))
    assert timer.blocks_ns(3, repeats=5) == (1000,) * 5


def test_the_environment_is_recorded(timer: TorchEager) -> None:
    found = timer.environment()
    assert (found.runtime, found.dtype, found.threads) == ("torch eager", "fp32", 1)
    assert found.torch == torch.__version__
    assert all((found.device, found.system, found.python, found.timm))
    assert found.driver == ""


def test_a_cpu_has_finished_when_the_call_returns() -> None:
    assert synchronizer(torch.device("cpu"))() is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:3"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        TorchEager(MODEL, device=device)
    assert str(caught.value) == (
        f"device is {device!r}: torch finds no CUDA device here; try cpu"
    )


@pytest.mark.parametrize("device", ["gpu", "mps:9", "meta", "cpu:x"])
def test_what_is_no_device_is_refused(device: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        TorchEager(MODEL, device=device)
    assert str(caught.value) == (
        f"device is {device!r}: must be cpu, cuda, or cuda:1 and so on"
    )


def test_what_is_no_vision_transformer_is_refused() -> None:
    with pytest.raises(UnknownModelError):
        TorchEager("test_vitt", device="cpu")
    with pytest.raises(WorkloadError):
        TorchEager("test_resnet", device="cpu")
