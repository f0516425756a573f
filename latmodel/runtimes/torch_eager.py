"""PyTorch's eager mode, on a CPU or a CUDA device."""

from __future__ import annotations

from latmodel.runtimes.devices import TORCH_DTYPES, device_name, find_device, synchronizer
from latmodel.runtimes.module_timer import Call, ModuleTimer
from latmodel.runtimes.parts import Part

# The first four are of `devices`; who verifies a plan in eager mode finds them here.
__all__ = ["TORCH_DTYPES", "TorchEager", "device_name", "find_device", "synchronizer"]


class TorchEager(ModuleTimer):
    """Each part as torch runs it without further ado; see `ModuleTimer`."""

    runtime = "torch eager"

    def prepare(self, part: Part) -> Call:
        """The module's own forward."""
        module, inputs = part.module, part.inputs
        return lambda: module(*inputs)
