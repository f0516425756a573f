"""PyTorch's eager mode, on a CPU or a CUDA device."""

from __future__ import annotations

from latmodel.runtimes.module_timer import Call, ModuleTimer
from latmodel.runtimes.parts import Part

__all__ = ["TorchEager"]


class TorchEager(ModuleTimer):
    """Each part as torch runs it without further ado; see `ModuleTimer`."""

    runtime = "torch eager"

    def prepare(self, part: Part) -> Call:
        """The module's own forward."""
        module, inputs = part.module, part.inputs
        return lambda: module(*inputs)
