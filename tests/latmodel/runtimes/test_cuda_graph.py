from __future__ import annotations

import pytest
import torch

from latmodel.errors import MeasurementError
from latmodel.runtimes.cuda_graph import CudaGraph
from tests.latmodel.runtimes.small import random_timer

MODEL = "deit_tiny_patch16_224"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_it_is_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        CudaGraph(MODEL)
    assert str(caught.value) == (
        "cuda-graph needs a CUDA device, and torch finds none here; try the runtime "
        "torch-eager or torch-compile"
    )


def test_a_cpu_is_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        CudaGraph(MODEL, device="cpu")
    assert str(caught.value) == (
        "device is 'cpu': cuda-graph records CUDA kernels; try cuda, or the runtime torch-eager"
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_graphs_hold_in_any_order() -> None:
    """They share memory, so each must give its own numbers whichever ran before it."""
    timer = random_timer("cuda-graph", device="cuda")
    parts = [timer._parts.blocks(count) for count in (17, 4, 9)]
    calls = [timer.prepare(part) for part in parts]
    for i in (0, 1, 2, 1, 0, 2):
        found = calls[i]()
        assert isinstance(found, torch.Tensor)
        with torch.inference_mode():
            expected = parts[i].module(*parts[i].inputs)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_the_environment_names_runtime_and_driver() -> None:
    found = random_timer("cuda-graph", device="cuda").environment()
    assert (found.runtime, found.threads) == ("cuda graph", 0)
    assert found.driver == f"CUDA {torch.version.cuda}"
