"""The runtimes by name, each loaded when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from latmodel.errors import MeasurementError
from latmodel.extras import require_extra

if TYPE_CHECKING:
    from latmodel.parts import PartTimer

__all__ = ["RUNTIMES", "build_timer"]


@dataclass(frozen=True, slots=True)
class _Runtime:
    """Where a runtime's class stands, and the extra with the packages that it needs."""

    file: str
    kind: str
    extra: str = ""
    packages: tuple[str, ...] = ()


_KNOWN = {
    "torch-eager": _Runtime("torch_eager", "TorchEager"),
    "torch-compile": _Runtime("torch_compile", "TorchCompile"),
    "cuda-graph": _Runtime("cuda_graph", "CudaGraph"),
    "onnxruntime": _Runtime(
        "onnx_runtime", "OnnxRuntime", "onnxruntime", ("onnx", "onnxruntime", "onnxscript")
    ),
    "openvino": _Runtime(
        "open_vino", "OpenVino", "openvino", ("onnx", "onnxscript", "openvino")
    ),
}

RUNTIMES: tuple[str, ...] = tuple(_KNOWN)
"""The names that `build_timer` takes."""


def build_timer(
    runtime: str,
    model: str,
    *,
    batch: int = 1,
    dtype: str = "fp32",
    device: str | None = None,
    threads: int | None = None,
) -> PartTimer:
    """A timer of one model's parts in the runtime of that name.

    Args:
        runtime: one of `RUNTIMES`.
        model: timm's name; weights are random, which latency does not depend on.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES` that the runtime knows.
        device: "cpu", "cuda", or what else the runtime finds; by default its fastest.
        threads: CPU threads; by default as many as torch uses.

    Raises:
        MissingExtraError: the runtime's packages are not installed.
        MeasurementError: no runtime has the name, or it cannot run in this dtype, on this
            device or with so many threads.
        UnknownModelError: timm has no model of that name.
        WorkloadError: the model is no plain vision transformer, the batch is below 1, or the
            dtype is unknown.

    >>> build_timer("tensorrt", "deit_small_patch16_224")
    Traceback (most recent call last):
    latmodel.errors.MeasurementError: runtime is 'tensorrt': must be one of torch-eager,
        torch-compile, cuda-graph, onnxruntime, openvino
    """
    if runtime not in _KNOWN:
        raise MeasurementError(f"runtime is {runtime!r}: must be one of {', '.join(RUNTIMES)}")
    known = _KNOWN[runtime]
    require_extra(runtime, known.packages, extra=known.extra)
    kind = getattr(import_module(f"latmodel.runtimes.{known.file}"), known.kind)
    timer: PartTimer = kind(model, batch=batch, dtype=dtype, device=device, threads=threads)
    return timer
