from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from latmodel import timing
from latmodel.errors import MeasurementError, UnknownModelError, WorkloadError
from latmodel.runtimes.module_timer import Call, ModuleTimer
from latmodel.runtimes.parts import Part
from latmodel.runtimes.torch_eager import TorchEager
from tests.latmodel.runtimes.small import shrink

MODEL = "deit_tiny_patch16_224"

SLOW_NS = (9_000_000, 5_000_000)
QUICK_NS = 1000


class Slow(ModuleTimer):
    """A runtime whose first two calls of a part are slow, as where they compile."""

    runtime = "slow"
    cost_bytes = 0

    def __init__(self, now_ns: list[int], **options: Any) -> None:
        super().__init__(MODEL, device="cpu", **options)
        self.now_ns = now_ns
        self.prepared: list[tuple[str, int]] = []
        self.modes: set[bool] = set()

    def prepare(self, part: Part) -> Call:
        """A call that moves the clock."""
        self.prepared.append((part.name, part.count))
        lengths = iter(SLOW_NS)

        def call() -> None:
            self.modes.add(torch.is_inference_mode_enabled())
            self.now_ns[0] += next(lengths, QUICK_NS)

        return call

    def _cost_bytes(self, _part: Part) -> int:
        return self.cost_bytes


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    now_ns = [0]
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: now_ns[0])
    shrink(monkeypatch)
    return Slow(now_ns)


def read_all(timer: ModuleTimer, repeats: int) -> list[tuple[int, ...]]:
    return [
        timer.blocks_ns(5, repeats=repeats),
        timer.mlps_ns(5, repeats=repeats),
        timer.cut_ns(5, repeats=repeats),
        timer.ends_ns(repeats=repeats),
        timer.model_ns(repeats=repeats),
    ]


@pytest.mark.parametrize("repeats", [1, 4])
def test_no_sample_holds_what_only_first_calls_do(slow: Slow, repeats: int) -> None:
    for _ in range(2):
        assert read_all(slow, repeats) == [(QUICK_NS,) * repeats] * 5
    assert slow.modes == {True}


def test_a_part_is_prepared_once_for_each_count(slow: Slow) -> None:
    for count in (5, 7, 5, 7):
        slow.blocks_ns(count, repeats=1)
    slow.cut_ns(5, repeats=1)
    slow.ends_ns(repeats=1)
    slow.model_ns(repeats=1)
    assert slow.prepared == [
        ("blocks", 5),
        ("blocks", 7),
        ("cut", 5),
        ("ends", 17),
        ("model", 17),
    ]


def test_what_is_kept_is_bounded(slow: Slow) -> None:
    """Two fit and stay; a third is prepared at each of its turns, outside its sample."""
    slow.cost_bytes, slow.kept_bytes = 40, 100
    for _ in range(2):
        for count in (5, 6, 7):
            assert slow.blocks_ns(count, repeats=1) == (QUICK_NS,)
    assert [count for _, count in slow.prepared] == [5, 6, 7, 7]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture
def threads() -> Iterator[int]:
    """Other than torch's present number, which returns afterwards."""
    before = torch.get_num_threads()
    yield before + 1
    torch.set_num_threads(before)


@pytest.mark.usefixtures("small")
def test_torch_uses_the_threads_asked_for_while_it_is_timed(threads: int) -> None:
    timer, other = (TorchEager(MODEL, device="cpu", threads=n) for n in (threads, None))
    seen: list[int] = []
    hook = lambda *_: seen.append(torch.get_num_threads())  # noqa: E731
    for each in (timer, other):
        each._parts.model.register_forward_hook(hook)
        each.model_ns(repeats=1)
    assert set(seen) == {threads, threads - 1}
    assert seen == sorted(seen, reverse=True)
    assert [each.environment().threads for each in (timer, other)] == [threads, threads - 1]


def test_no_threads_are_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        TorchEager(MODEL, device="cpu", threads=0)
    assert str(caught.value) == "threads is 0: must be 1 to 4096"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_threads_of_a_gpu_are_refused() -> None:
    with pytest.raises(MeasurementError, match="threads is 2: only a CPU has threads"):
        TorchEager(MODEL, device="cuda", threads=2)


@pytest.mark.usefixtures("small")
def test_the_environment_is_recorded() -> None:
    found = TorchEager(MODEL, device="cpu").environment()
    assert (found.runtime, found.dtype, found.threads) == ("torch eager", "fp32", 1)
    assert found.runtime_version == found.torch == torch.__version__
    assert all((found.device, found.system, found.python, found.timm))
    assert found.driver == ""


@pytest.mark.usefixtures("small")
def test_a_part_that_does_not_run_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where memory ends: what failed, of what, at how many tokens."""
    timer = TorchEager(MODEL, device="cpu", batch=2)
    monkeypatch.setattr(timer._parts, "_tokens", lambda count: torch.zeros(2, count, 7))
    with pytest.raises(MeasurementError) as caught:
        timer.blocks_ns(5, repeats=1)
    said = str(caught.value)
    assert said.startswith(
        f"torch eager cannot run blocks of {MODEL} at 5 tokens, batch 2, fp32: "
    )
    assert said.endswith("; try a smaller batch or another runtime")
    assert "\n" not in said


def test_what_is_no_vision_transformer_is_refused() -> None:
    with pytest.raises(UnknownModelError):
        TorchEager("test_vitt", device="cpu")
    with pytest.raises(WorkloadError):
        TorchEager("test_resnet", device="cpu")
