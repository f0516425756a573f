"""The devices that torch runs on: which are here, their names, and how they are timed."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from latmodel.errors import MeasurementError
from latmodel.timing import Clock, host_clock

__all__ = [
    "TORCH_DTYPES",
    "cpu_name",
    "device_clock",
    "device_name",
    "find_device",
]

TORCH_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def find_device(name: str | None = None) -> torch.device:
    """The device of that name; by default CUDA where there is one, else the CPU.

    Raises:
        MeasurementError: no CPU or CUDA device has the name.
    """
    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(chosen)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise MeasurementError(f"device is {chosen!r}: must be cpu, cuda, or cuda:1 and so on")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        known = f"{found} CUDA devices" if found else "no CUDA device"
        raise MeasurementError(f"device is {chosen!r}: torch finds {known} here; try cpu")
    return device


def device_name(device: torch.device) -> str:
    """The processor's own name."""
    return cpu_name() if device.type == "cpu" else torch.cuda.get_device_name(device)


def cpu_name() -> str:
    """The CPU's name as the kernel tells it, else its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def device_clock(device: torch.device) -> Clock:
    """The clock for what runs on `device`: the host's for a CPU, events for CUDA.

    Events are stamped by the GPU before the first kernel and after the last, so they hold
    neither the waiting for the end nor the host's noise after it. They do hold the gaps in
    which the GPU waits for the host to launch: a launch-bound model is as slow as it is.
    """
    if device.type != "cuda":
        return host_clock
    cuda: Any = torch.cuda  # whose events are not annotated
    start, end = (cuda.Event(enable_timing=True) for _ in range(2))

    def clock(call: Callable[[], object]) -> int:
        # Every call ends by waiting, so the GPU is idle here and stamps the start at once.
        with cuda.device(device):
            start.record()
            call()
            end.record()
            end.synchronize()
        elapsed_ms: float = start.elapsed_time(end)
        return max(round(elapsed_ms * 1e6), 1)

    return clock
