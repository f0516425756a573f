"""CUDA graphs: eager mode's kernels, recorded once and launched together."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch

from latmodel.errors import MeasurementError
from latmodel.runtimes.module_timer import Call, ModuleTimer, Place
from latmodel.runtimes.parts import Part

__all__ = ["CudaGraph"]

_WARMUP = 3
"""Calls before the capture, in which libraries choose kernels and allocate; as torch's
documentation of CUDA graphs does."""


class CudaGraph(ModuleTimer):
    """Each part as a recorded graph for each count; see `ModuleTimer`.

    Raises:
        MeasurementError: there is no CUDA device, or another is asked for.
    """

    runtime = "cuda graph"

    def _find_place(self, device: str | None) -> Place:
        if device is None and not torch.cuda.is_available():
            raise MeasurementError(
                "cuda-graph needs a CUDA device, and torch finds none here; try the runtime "
                "torch-eager or torch-compile"
            )
        place = super()._find_place(device)
        if place.on_cpu:
            raise MeasurementError(
                f"device is {device!r}: cuda-graph records CUDA kernels; try cuda, or the "
                "runtime torch-eager"
            )
        return place

    def prepare(self, part: Part) -> Call:
        """Warm up on a stream of its own, then record."""
        module, inputs = part.module, part.inputs
        cuda: Any = torch.cuda  # whose streams and pools are not annotated
        graph = cuda.CUDAGraph()
        with cuda.device(self._place.tensors), torch.inference_mode():
            aside = cuda.Stream()
            aside.wait_stream(cuda.current_stream())
            with cuda.stream(aside):
                for _ in range(_WARMUP):
                    module(*inputs)
            cuda.current_stream().wait_stream(aside)
            with cuda.graph(graph, pool=self._pool):
                output = module(*inputs)

        def replay() -> Any:
            graph.replay()
            return output

        return replay

    @cached_property
    def _pool(self) -> Any:
        """One memory pool for all graphs, so that the largest one's memory serves all.

        They never run at once, and none reads what it has not written itself. An output holds
        until the next graph runs.
        """
        return torch.cuda.graph_pool_handle()
