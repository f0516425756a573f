"""Whole ONNX files in the runtimes that read them: what they answer, and a call to time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from latmodel.errors import MeasurementError
from latmodel.extras import require_extra
from latmodel.runtimes.devices import cpu_name

__all__ = ["READERS", "OpenFile", "installed_readers", "open_file", "require_reader"]

READERS: dict[str, tuple[str, ...]] = {
    "onnxruntime": ("onnx", "onnxruntime", "onnxscript"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}
"""The runtimes that read ONNX files, each with the packages that its extra brings."""

Bind = Callable[[torch.Tensor], Callable[[], torch.Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """An ONNX file that a runtime has loaded for the CPU.

    Attributes:
        runtime: one of `READERS`.
        version: of the runtime.
        bind: takes the file's only input and returns a call that runs it, which returns the
            file's first output as a tensor that the next run may overwrite.
        failures: what the runtime raises where a file does not run.
    """

    runtime: str
    version: str
    bind: Bind
    failures: tuple[type[Exception], ...]

    @property
    def name(self) -> str:
        """The runtime with its version."""
        return f"{self.runtime} {self.version}"

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """What the file answers, in memory of its own."""
        return self.bind(images)().clone()


def installed_readers() -> tuple[str, ...]:
    """Those of `READERS` all of whose packages are here; none is imported."""
    return tuple(name for name, needs in READERS.items() if all(map(find_spec, needs)))


def require_reader(runtime: str) -> None:
    """Refuse a runtime that reads no ONNX files or is not installed.

    Raises:
        MeasurementError: it is none of `READERS`.
        MissingExtraError: its packages are not installed.
    """
    if runtime not in READERS:
        raise MeasurementError(f"runtime is {runtime!r}: must be one of {', '.join(READERS)}")
    require_extra(runtime, READERS[runtime], extra=runtime)


def open_file(
    path: Path, runtime: str, *, dtype: str = "fp32", threads: int | None = None
) -> OpenFile:
    """Load an ONNX file of one input.

    Args:
        path: the file.
        runtime: one of `READERS`.
        dtype: one of `latmodel.workload.DTYPES`. What OpenVINO is to compute in, whose
            file is fp32; ONNX Runtime computes in the file's own.
        threads: CPU threads; by default as many as torch uses, so that runtimes compare.

    Raises:
        MeasurementError, MissingExtraError: as `require_reader`; the runtime does not know
            the dtype, or cannot load the file.
    """
    require_reader(runtime)
    file = {"onnxruntime": "onnx_runtime", "openvino": "open_vino"}[runtime]
    made = import_module(f"latmodel.runtimes.{file}")
    opener = {"onnxruntime": _in_onnxruntime, "openvino": _in_openvino}[runtime]
    try:
        version, bind = opener(made, path, dtype, threads or torch.get_num_threads())
    except made.FAILURES as error:
        reason = " ".join(str(error).split())[:300]
        raise MeasurementError(f"{runtime} cannot load {path.name}: {reason}") from error
    return OpenFile(runtime=runtime, version=version, bind=bind, failures=made.FAILURES)


def _in_onnxruntime(made: Any, path: Path, dtype: str, threads: int) -> tuple[str, Bind]:
    if dtype == "bf16":
        raise MeasurementError(
            "dtype is 'bf16': onnxruntime has no bf16 kernels for these models; allowed are "
            "fp32 and fp16"
        )
    library = made.onnxruntime
    options = made.session_options(threads)
    session = library.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()

    def bind(images: torch.Tensor) -> Callable[[], torch.Tensor]:
        binding = session.io_binding()
        value = library.OrtValue.ortvalue_from_numpy(images.contiguous().numpy(), "cpu", 0)
        binding.bind_ortvalue_input(taken.name, value)
        binding.bind_output(session.get_outputs()[0].name, "cpu", 0)

        def run() -> torch.Tensor:
            session.run_with_iobinding(binding)
            return torch.from_numpy(binding.get_outputs()[0].numpy())

        return run

    return str(library.__version__).split("-", maxsplit=1)[0], bind


def _in_openvino(made: Any, path: Path, dtype: str, threads: int) -> tuple[str, Bind]:
    library = made.openvino
    core = library.Core()
    made.require_precision(core, dtype, name="CPU", processor=cpu_name())
    settings = {**made.compile_settings(dtype), "INFERENCE_NUM_THREADS": threads}
    # Not `convert_model`, which reports its use to OpenVINO's makers.
    model = core.read_model(path)

    def bind(images: torch.Tensor) -> Callable[[], torch.Tensor]:
        fixed = model.clone()
        fixed.reshape({0: list(images.shape)})  # where the file takes any batch
        request = core.compile_model(fixed, "CPU", settings).create_infer_request()
        held = images.contiguous()
        request.set_input_tensor(0, library.Tensor(held.numpy(), shared_memory=True))

        def run(_held: torch.Tensor = held) -> torch.Tensor:
            # Not `infer`, which copies the outputs.
            request.start_async()
            request.wait()
            return torch.from_numpy(request.get_output_tensor(0).data)

        return run

    return str(library.__version__).split("-", maxsplit=1)[0], bind
