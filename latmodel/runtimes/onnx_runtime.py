"""ONNX Runtime, on a CPU or a CUDA device."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as state
from torch import nn

from latmodel.errors import MeasurementError
from latmodel.runtimes.devices import cpu_name, device_name, find_device
from latmodel.runtimes.exporting import onnx_file
from latmodel.runtimes.module_timer import Call, ModuleTimer, Place
from latmodel.runtimes.parts import Part

__all__ = ["FAILURES", "OnnxRuntime", "session_options"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

FAILURES: tuple[type[Exception], ...] = (
    RuntimeError,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.NotImplemented,
    state.RuntimeException,
)
"""What ONNX Runtime raises where a file does not load or run."""


def session_options(threads: int) -> Any:
    """The settings of every session that is timed here.

    Args:
        threads: CPU threads; 0 for as many as ONNX Runtime chooses.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Else the threads of the session that ran last keep spinning for a while, and take the
    # processor from the session that is timed next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


class OnnxRuntime(ModuleTimer):
    """Each part as an ONNX graph, inputs and outputs bound in place; see `ModuleTimer`.

    Blocks and MLP halves are one graph for any token count: a session packs the weights for
    itself, so a session per count would hold them as often. A graph of one count was at most
    3 % faster or slower (DeiT-S and ViT-Ti, one thread, 1 to 197 tokens, ONNX Runtime 1.32).
    """

    runtime = "onnxruntime"
    failures = FAILURES

    def _find_place(self, device: str | None) -> Place:
        available = onnxruntime.get_available_providers()
        on_gpu = torch.cuda.is_available() and _PROVIDERS["cuda"] in available
        found = find_device(device or ("cuda" if on_gpu else "cpu"))
        if _PROVIDERS[found.type] not in available:
            raise MeasurementError(
                f"device is {device!r}: this onnxruntime runs on no CUDA device; install "
                "onnxruntime-gpu in its place, or try cpu"
            )
        self._device = found
        on_cpu = found.type == "cpu"
        return Place(
            processor=cpu_name() if on_cpu else device_name(found),
            # A session has memory of its own and has finished when its call returns, so that
            # the host's clock times it on every device.
            tensors=torch.device("cpu"),
            on_cpu=on_cpu,
            driver="" if on_cpu else f"CUDA {torch.version.cuda}",
        )

    def _find_dtype(self, dtype: str) -> torch.dtype:
        if dtype == "bf16":
            raise MeasurementError(
                "dtype is 'bf16': onnxruntime has no bf16 kernels for these models; allowed "
                "are fp32 and fp16"
            )
        return super()._find_dtype(dtype)

    def _version(self) -> str:
        return str(onnxruntime.__version__)

    def prepare(self, part: Part) -> Call:
        """Load the part's graph, and bind its inputs and outputs.

        Raises:
            MeasurementError: the CUDA device cannot be used after all.
        """
        session = self._session(part)
        binding = session.io_binding()
        kind, index = self._device.type, self._device.index or 0
        for node, tensor in zip(session.get_inputs(), part.inputs, strict=True):
            value = onnxruntime.OrtValue.ortvalue_from_numpy(tensor.numpy(), kind, index)
            binding.bind_ortvalue_input(node.name, value)
        for node in session.get_outputs():
            binding.bind_output(node.name, kind, index)

        def run() -> Any:
            session.run_with_iobinding(binding)
            return binding.get_outputs()

        return run

    @cached_property
    def _sessions(self) -> dict[nn.Module, Any]:
        return {}

    def _session(self, part: Part) -> Any:
        """The session of a part; one for all counts where the part takes any."""
        if part.module in self._sessions:
            return self._sessions[part.module]
        session = self._load(part)
        if part.any_count:
            self._sessions[part.module] = session
        return session

    def _load(self, part: Part) -> Any:
        options = session_options(self._threads)
        provider = _PROVIDERS[self._device.type]
        settings = {"device_id": self._device.index or 0} if self._place.driver else {}
        with onnx_file(part, most=self.workload.tokens) as path:
            session = onnxruntime.InferenceSession(
                path, options, providers=[(provider, settings)]
            )
        if session.get_providers()[0] != provider:
            raise MeasurementError(
                f"onnxruntime cannot use {self._place.processor}: its CUDA libraries do not "
                "load; see its message above, or try cpu"
            )
        return session
