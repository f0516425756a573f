"""Every runtime times the same parts: each gives the numbers that eager mode gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from latmodel.runtimes.module_timer import ModuleTimer
from latmodel.runtimes.torch_compile import TorchCompile
from tests.latmodel.runtimes.small import TOKENS, all_numbers, part_of, random_timer

# No count of 3, the number of heads: OpenVINO 2026.4 takes one for the other (see OpenVino).
PARTS = [
    ("blocks", 1),
    ("blocks", 4),
    ("blocks", TOKENS),
    ("mlps", 1),
    ("mlps", 4),
    ("cut", 1),
    ("cut", 5),
    ("ends", TOKENS),
    ("model", TOKENS),
]
COMPILED = [("blocks", 4), ("mlps", 4), ("cut", 5)]  # by a C++ compiler, seconds for each

PACKAGES = {
    "onnxruntime": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}


def timer_of(runtime: str, **options: Any) -> ModuleTimer:
    for package in PACKAGES.get(runtime, ()):
        pytest.importorskip(package, reason=f"the extra {runtime} is not installed")
    return random_timer(runtime, batch=2, **options)


@pytest.fixture(scope="module", params=["torch-eager", "onnxruntime", "openvino"])
def timer(request: pytest.FixtureRequest) -> ModuleTimer:
    return timer_of(request.param, device="cpu")


@pytest.fixture(scope="module")
def compiling() -> Iterator[ModuleTimer]:
    torch.compiler.reset()
    yield timer_of("torch-compile", device="cpu")
    torch.compiler.reset()


def require_parity(timer: ModuleTimer, name: str, count: int, atol: float = 1e-4) -> None:
    """The call gives what the module gives, and as many samples as asked, whole ns."""
    part = part_of(timer, name, count)
    call = timer._ready(part)
    with torch.inference_mode():
        found, expected = all_numbers(call()), all_numbers(part.module(*part.inputs))
    assert len(found) == len(expected) == (2 if name == "ends" else 1)
    for ours, eager in zip(found, expected, strict=True):
        assert ours.shape == eager.shape
        # Large enough that an answer of zeros, or of the inputs, would not pass.
        assert np.abs(eager).max() > 10 * atol
        np.testing.assert_allclose(ours, eager, rtol=0, atol=atol)
    samples = timer._time(part, 3)
    assert len(samples) == 3
    assert all(type(sample) is int and sample > 0 for sample in samples)


@pytest.mark.parametrize(("name", "count"), PARTS)
def test_a_runtime_computes_what_eager_mode_computes(
    timer: ModuleTimer, name: str, count: int
) -> None:
    require_parity(timer, name, count)


@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize(("name", "count"), COMPILED)
def test_compiled_kernels_compute_what_eager_mode_computes(
    compiling: ModuleTimer, name: str, count: int
) -> None:
    require_parity(compiling, name, count)


@pytest.mark.parametrize(("name", "count"), PARTS)
def test_captured_graphs_compute_what_eager_mode_computes(
    compiling: ModuleTimer, monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    """As the test above without a C++ compiler: dynamo's graph, run by torch's own kernels."""
    monkeypatch.setattr(TorchCompile, "backend", "aot_eager")
    monkeypatch.setattr(compiling, "_calls", {})
    require_parity(compiling, name, count)


@pytest.fixture(
    scope="module", params=["torch-eager", "torch-compile", "cuda-graph", "onnxruntime"]
)
def on_cuda(request: pytest.FixtureRequest) -> ModuleTimer:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    if request.param == "onnxruntime":
        onnxruntime = pytest.importorskip("onnxruntime")
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            pytest.skip("this onnxruntime has no CUDA")
    return timer_of(request.param, device="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "count"), PARTS)
def test_a_runtime_computes_on_cuda_what_eager_mode_computes(
    on_cuda: ModuleTimer, name: str, count: int
) -> None:
    """ONNX Runtime multiplies in TF32 there, with ten bits."""
    atol = 3e-2 if on_cuda.runtime == "onnxruntime" else 1e-3
    require_parity(on_cuda, name, count, atol)
