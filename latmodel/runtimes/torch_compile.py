"""torch.compile with static shapes, on a CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar

import torch

from latmodel.runtimes.module_timer import Call, ModuleTimer
from latmodel.runtimes.parts import Chain, Part

__all__ = ["TorchCompile"]


class TorchCompile(ModuleTimer):
    """Each part as one compiled graph for each count; see `ModuleTimer`.

    It is torch.compile's default mode: kernels are fused, and CUDA graphs are not used.
    """

    runtime = "torch compile"
    advice = (
        "torch.compile needs a C++ compiler for a CPU and triton for CUDA; try the runtime "
        "torch-eager"
    )
    backend: ClassVar[str] = "inductor"

    def prepare(self, part: Part) -> Call:
        """Compile at the first call, for these inputs' shapes alone."""
        module, inputs = part.module, part.inputs
        if isinstance(module, Chain):
            module = Chain(module.blocks, _once(module.step)).eval()
        # Not dynamic: else the second count would get code for any count. The whole graph:
        # else what cannot be compiled would run in eager mode, unsaid.
        run = torch.compile(
            _with_own_code(module, f"{part.name}_{part.count}"),
            dynamic=False,
            fullgraph=True,
            backend=self.backend,
        )
        return lambda: run(*inputs)


def _once(step: Any) -> Any:
    """Have a step compiled once for all blocks, which differ only in their weights.

    The graph stays one for all blocks, without a check between two of them. On ViT-L it
    compiles two to four times as fast as the loop unrolled, and runs as fast. Before torch 2.8
    the loop is unrolled.
    """
    once = getattr(torch.compiler, "nested_compile_region", None)
    return once(step) if once else step


def _with_own_code(module: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function that calls `module` and shares its code object with no other.

    Compiled graphs are kept by code object: with one for all counts, the ninth count would
    exceed torch's limit of recompilations, and each call would check the guards of other
    counts before its own, within the sample.
    """

    def run(*inputs: torch.Tensor) -> Any:
        return module(*inputs)

    code = run.__code__.replace(co_name=name)
    return FunctionType(code, run.__globals__, name, run.__defaults__, run.__closure__)
