from __future__ import annotations

import pytest
import torch

from latmodel.errors import MeasurementError
from latmodel.runtimes.devices import TORCH_DTYPES, device_clock, device_name, find_device
from latmodel.timing import host_clock
from latmodel.workload import DTYPES

CPU = torch.device("cpu")


def test_every_dtype_of_a_workload_has_one_of_torch() -> None:
    assert tuple(TORCH_DTYPES) == DTYPES


def test_a_cpu_has_finished_when_the_call_returns() -> None:
    """So the host's clock times it."""
    assert device_clock(CPU) is host_clock
    assert device_name(CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:3"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        find_device(device)
    assert str(caught.value) == (
        f"device is {device!r}: torch finds no CUDA device here; try cpu"
    )


@pytest.mark.parametrize("device", ["gpu", "mps:9", "meta", "cpu:x"])
def test_what_is_no_device_is_refused(device: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        find_device(device)
    assert str(caught.value) == (
        f"device is {device!r}: must be cpu, cuda, or cuda:1 and so on"
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_the_gpu_stamps_what_it_does() -> None:
    """A call that only queues work lasts as long as the work: 1 ms at the least."""
    device = torch.device("cuda")
    x = torch.randn(8192, 8192, device=device)
    clock = device_clock(device)
    clock(lambda: x @ x)
    assert clock(lambda: x @ x) > 1_000_000
