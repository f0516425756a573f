"""OpenVINO, on any device that it finds."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import openvino
import torch
from openvino.frontend import OpConversionFailure
from torch import nn

from latmodel.errors import MeasurementError
from latmodel.runtimes.devices import cpu_name
from latmodel.runtimes.exporting import onnx_file
from latmodel.runtimes.module_timer import Call, ModuleTimer, Place
from latmodel.runtimes.parts import Part

__all__ = ["FAILURES", "OpenVino", "compile_settings", "require_precision"]

_PRECISIONS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}

FAILURES: tuple[type[Exception], ...] = (RuntimeError, OpConversionFailure)
"""What OpenVINO raises where a file does not load, compile or run."""


def compile_settings(dtype: str) -> dict[str, Any]:
    """The settings by which every model that is timed here is compiled, threads apart."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        # Else a CPU that has bf16 would use it for fp32 as well.
        "INFERENCE_PRECISION_HINT": _PRECISIONS[dtype],
    }


def require_precision(core: Any, dtype: str, *, name: str, processor: str) -> None:
    """Refuse a dtype in which OpenVINO does not compute on a device.

    Raises:
        MeasurementError: naming those in which it does.
    """
    able = core.get_property(name, "OPTIMIZATION_CAPABILITIES")
    known = [known for known in _PRECISIONS if known.upper() in able]
    if dtype not in known:
        raise MeasurementError(
            f"dtype is {dtype!r}: OpenVINO computes in {', '.join(known)} on {processor}"
        )


class OpenVino(ModuleTimer):
    """Each part as a model compiled for each count; see `ModuleTimer`.

    A model for any count would hold the weights once, but its blocks run otherwise (attention
    is not fused as well): 2 % slower at 197 tokens, 5 % at 100, 12 % at 13 (DeiT-S, one
    thread, OpenVINO 2026.4), and the counts that are deployed are fixed. So each count is
    compiled, and weights are packed anew for each; what is kept of them is bounded.

    Where the count equals the number of heads, OpenVINO 2026.4 takes one for the other on a
    CPU: it does the same work, so the latency holds, but such a model's answers are wrong.
    """

    runtime = "openvino"
    failures = FAILURES

    @cached_property
    def kept_bytes(self) -> int:  # type: ignore[override]
        """Half of the memory of this machine; 4 GiB where that cannot be read."""
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        except (AttributeError, ValueError):
            return 4 * 2**30

    @cached_property
    def _core(self) -> Any:
        return openvino.Core()

    @cached_property
    def _models(self) -> dict[nn.Module, Any]:
        return {}

    def _find_place(self, device: str | None) -> Place:
        self._name = (device or "cpu").upper()
        found = self._core.available_devices
        if self._name not in found:
            raise MeasurementError(
                f"device is {device!r}: OpenVINO finds {', '.join(found).lower()} here"
            )
        on_cpu = self._name == "CPU"
        name = cpu_name() if on_cpu else self._core.get_property(self._name, "FULL_DEVICE_NAME")
        return Place(processor=name, tensors=torch.device("cpu"), on_cpu=on_cpu)

    def _find_dtype(self, dtype: str) -> torch.dtype:
        processor = self._place.processor
        require_precision(self._core, dtype, name=self._name, processor=processor)
        # The precision is a setting of the compiler; the model is given in full.
        return torch.float32

    def _version(self) -> str:
        return str(openvino.__version__)

    def _cost_bytes(self, part: Part) -> int:
        nodes = self._model(part).get_ops()
        return sum(op.get_byte_size() for op in nodes if op.get_type_name() == "Constant")

    def prepare(self, part: Part) -> Call:
        """Compile for these inputs' shapes, and set the inputs."""
        model = self._model(part).clone()
        model.reshape({i: list(tensor.shape) for i, tensor in enumerate(part.inputs)})
        settings = compile_settings(self.workload.dtype)
        if self._place.on_cpu:
            settings["INFERENCE_NUM_THREADS"] = self._threads
        request = self._core.compile_model(model, self._name, settings).create_infer_request()
        for i, tensor in enumerate(part.inputs):
            request.set_input_tensor(i, openvino.Tensor(tensor.numpy(), shared_memory=True))

        def run() -> Any:
            # Not `infer`, which copies the outputs.
            request.start_async()
            request.wait()
            return request.output_tensors

        return run

    def _model(self, part: Part) -> Any:
        """The part as read, its count still open; one for all counts where it takes any."""
        if part.module not in self._models:
            # Not `convert_model`, which reports its use to OpenVINO's makers; the latency is
            # the same. Weights stay mapped when the file goes.
            with onnx_file(part, most=self.workload.tokens) as path:
                self._models[part.module] = self._core.read_model(path)
        return self._models[part.module]
