"""Parts as ONNX files: for runtimes that are not torch's own, and for boards without Python."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from latmodel.architectures import describe
from latmodel.errors import MeasurementError, ProfileError
from latmodel.extras import require_extra
from latmodel.files import require_target
from latmodel.readings import PARTS
from latmodel.runtimes.devices import TORCH_DTYPES
from latmodel.runtimes.parts import Part, Parts
from latmodel.workload import Workload

__all__ = ["PartExporter", "onnx_file", "write_onnx"]

_OLDEST = (2, 6)
"""torch.onnx.export takes an exported program from this version on."""

_BOARD_OPSET = 18
"""The lowest that torch's exporter writes without converting, so that older tools read it."""

_SINGLE_FILE = 10**9
"""Bytes of weights above which they stand in a file of their own: ONNX ends at 2 GiB."""


def write_onnx(
    module: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    most: int | None = None,
    opset: int | None = None,
    beside: bool | None = True,
    any_batch: bool = False,
) -> None:
    """Write a module as an ONNX file, whose inputs are named in0, in1 and so on.

    Args:
        module: in evaluation mode.
        inputs: examples, whose shapes the file holds.
        path: the file.
        most: tokens at most, if the file is to take any count from 1 on; dimension 1 of the
            only input. By default all shapes are static.
        opset: of the file; by default torch's.
        beside: put the weights into a second file beside it; None to do so where they are
            over a gigabyte.
        any_batch: the file is to take any number of images from 1 on; dimension 0 of every
            input, 2 or more in the examples.

    Raises:
        MeasurementError: torch is too old.
    """
    found = tuple(int(number) for number in torch.__version__.split(".")[:2])
    if found < _OLDEST:
        raise MeasurementError(
            f"torch is {torch.__version__}: exporting to another runtime needs "
            f"{'.'.join(map(str, _OLDEST))} or newer; try the runtime torch-eager"
        )
    if beside is None:
        beside = _weight_bytes(module) > _SINGLE_FILE
    with _quiet_folding():
        program = torch.onnx.export(
            _export(module, inputs, most, any_batch=any_batch),
            input_names=[f"in{i}" for i in range(len(inputs))],
            dynamo=True,
            opset_version=opset,
            verbose=False,
        )
    assert program is not None  # noqa: S101 (it is None only without dynamo)
    program.save(path, external_data=beside)


def _weight_bytes(module: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


@contextmanager
def _quiet_folding() -> Iterator[None]:
    """Without the exporter's warnings of what it does not fold, one for each such node."""
    logger = logging.getLogger("onnxscript.optimizer._constant_folding")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _export(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], most: int | None, *, any_batch: bool
) -> ExportedProgram:
    if any_batch:
        batch = Dim("batch", min=1)
        return torch.export.export(module, inputs, dynamic_shapes=({0: batch},) * len(inputs))
    if most is None:
        return torch.export.export(module, inputs)
    (tokens,) = inputs
    # Not the input itself: torch would take a count of 1 for a constant.
    example = tokens.new_zeros((tokens.shape[0], most, tokens.shape[2]))
    shapes = ({1: Dim("tokens", min=1, max=most)},)
    return torch.export.export(module, (example,), dynamic_shapes=shapes)


@contextmanager
def onnx_file(part: Part, *, most: int) -> Iterator[Path]:
    """The part as an ONNX file, which goes when the context ends.

    It is a file because a graph in memory may not exceed 2 GB.

    Args:
        part: what to export.
        most: tokens at most; a part of any count takes 1 to so many, other parts what their
            inputs have.

    Raises:
        MeasurementError: torch is too old.
    """
    # Windows removes no file that a runtime still maps into memory.
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"{part.name}.onnx"
        write_onnx(part.module, part.inputs, path, most=most if part.any_count else None)
        yield path


class PartExporter:
    """One timm model, and an ONNX file of static shapes for each of its parts.

    Args:
        model: timm's name; weights are random, which latency does not depend on.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES`; the file's weights, inputs and outputs.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        UnknownModelError, WorkloadError: as `latmodel.architectures.describe`.
    """

    def __init__(self, model: str, *, batch: int = 1, dtype: str = "fp32") -> None:
        require_extra("writing ONNX files", ("onnx", "onnxscript"), extra="onnx")
        self.workload: Workload = describe(model, batch=batch, dtype=dtype)
        self._parts = Parts(
            self.workload, dtype=TORCH_DTYPES[dtype], device=torch.device("cpu")
        )

    def write(self, part: str, count: int, path: Path) -> None:
        """Write one part on `count` tokens.

        Args:
            part: one of `latmodel.readings.PARTS`.
            count: tokens, prefix included; the full count for "ends" and "model".
            path: the file; over a gigabyte of weights go to a second one beside it.

        Raises:
            ProfileError: the file cannot be written, or there is no such part.
            MeasurementError: torch is too old.
        """
        require_target(path)
        made = self._part(part, count)
        write_onnx(made.module, made.inputs, path, opset=_BOARD_OPSET, beside=None)

    def _part(self, part: str, count: int) -> Part:
        if part in ("ends", "model"):
            return self._parts.ends() if part == "ends" else self._parts.whole()
        at_count = {
            "block": self._parts.block,
            "mlp": self._parts.mlp,
            "cut": self._parts.cut,
        }
        if part not in at_count:
            raise ProfileError(f"part is {part!r}: must be one of {', '.join(PARTS)}")
        return at_count[part](count)
