"""Whether an ONNX file answers as the model does that it was written from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from latmodel.runtimes.onnx_files import OpenFile, open_file
from optimizer.errors import ExportError
from optimizer.pruning.state import applied, is_applied
from optimizer.pruning.steadying import NOISE, SteadyImages
from optimizer.pruning.trunks.registry import trunk_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

__all__ = ["ALLOWED", "Parity", "check_graph", "check_parity"]

ALLOWED = 1e-5
"""Difference of an image's answer from eager's, as a fraction of it, in the 2-norm; fp32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How near a runtime's answers come to eager's, on the CPU in fp32.

    Attributes:
        runtime: that ran the file.
        version: of the runtime.
        error: of the worst image: the 2-norm of the difference over that of eager's answer.
        allowed: for `error`.
        batches: images in each run.
        tried: random images drawn to find some whose kept tokens no rounding changes.
    """

    runtime: str
    version: str
    error: float
    allowed: float
    batches: tuple[int, ...]
    tried: int

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {
            "runtime": self.runtime,
            "version": self.version,
            "error": self.error,
            "allowed": self.allowed,
            "batches": list(self.batches),
            "images_tried": self.tried,
        }


def check_parity(
    model: nn.Module,
    path: Path,
    runtime: str,
    *,
    steady: SteadyImages,
    batches: tuple[int, ...],
    allowed: float = ALLOWED,
) -> Parity:
    """Run a file and its model on the same images, and compare.

    Args:
        model: float32, on the CPU, in evaluation mode.
        path: the file.
        runtime: one of `latmodel.runtimes.onnx_files.READERS`.
        steady: images for both, as many as the largest of
        batches: images in each run.
        allowed: see `Parity`.

    Raises:
        ExportError: they differ by more than is allowed, or the runtime cannot run the file.
        MeasurementError, MissingExtraError: the runtime cannot load it, or is not installed.
    """
    opened = open_file(path, runtime)
    worst = 0.0
    for batch in batches:
        images = steady.images[:batch]
        with torch.inference_mode():
            wanted: Tensor = model(images)
        error = _error(_run(opened, images), wanted)
        worst = error if not error <= worst else worst  # so that NaN stays
    if not worst <= allowed:
        raise ExportError(
            f"{opened.name} answers otherwise than eager: {worst:.2g} apart, allowed is "
            f"{allowed:g}, on images whose kept tokens stay when pixels change by {NOISE:g}; "
            f"{_advice(model, opened)}"
        )
    return Parity(
        runtime=opened.runtime,
        version=opened.version,
        error=worst,
        allowed=allowed,
        batches=batches,
        tried=steady.tried,
    )


def _run(opened: OpenFile, images: Tensor) -> Tensor:
    try:
        return opened.run(images)
    except opened.failures as error:
        reason = " ".join(str(error).split())[:300]
        raise ExportError(f"{opened.name} cannot run the file: {reason}") from error


def _error(found: Tensor, wanted: Tensor) -> float:
    """The worst image's; infinite where shapes differ or eager's answer is no number."""
    if found.shape != wanted.shape or not bool(wanted.isfinite().all()):
        return math.inf
    found, wanted = found.double().flatten(1), wanted.double().flatten(1)
    apart = (found - wanted).norm(dim=1)
    # A head of zeros answers zeros: equal to them is not no number apart.
    return float((apart / wanted.norm(dim=1)).masked_fill(apart == 0, 0.0).max())


def _advice(model: nn.Module, opened: OpenFile) -> str:
    """What is known of it: OpenVINO takes equal numbers of tokens and heads for one another."""
    block = _block_of_as_many_heads(model)
    if opened.runtime != "openvino" or block is None:
        return "this is a defect of the runtime or the exporter: do not deploy the file there"
    index, heads = block
    return (
        f"block {index} sees {heads} tokens and has as many heads, which OpenVINO 2026.4 takes "
        f"for one another: plan for another count than {heads}, or give the runtime "
        "onnxruntime"
    )


def _block_of_as_many_heads(model: nn.Module) -> tuple[int, int] | None:
    """The first block whose attention has as many heads as tokens."""
    if not is_applied(model):
        return None
    schedule = applied(model).schedule
    blocks: Any = trunk_of(model).blocks
    reach = (schedule.full, *schedule.tokens)
    for index, (block, count) in enumerate(zip(blocks, reach, strict=False)):
        heads = getattr(getattr(block, "attn", block), "num_heads", None)
        if heads == count:
            return index, heads
    return None


def check_graph(path: Path, *, any_batch: bool) -> None:
    """Refuse what boards' compilers do not take: sizes that are open, scatters that add.

    Args:
        path: an ONNX file; weights beside it are not read.
        any_batch: whether the first dimension of each tensor may be open.

    Raises:
        ExportError: naming what was found, and where.
    """
    import onnx  # noqa: PLC0415 (an extra)

    graph = onnx.load(path, load_external_data=False).graph
    for node in graph.node:
        kinds = [entry.s.decode() for entry in node.attribute if entry.name == "reduction"]
        if node.op_type.startswith("Scatter") and kinds not in ([], ["none"]):
            raise ExportError(
                f"the graph holds {node.op_type} ({node.name}) with reduction {kinds[0]}, "
                "which some runtimes lack: this is a defect, please report it with the "
                "schedule file"
            )
    values = [*graph.input, *graph.output, *graph.value_info]
    names = {name for value in values for name in _open_sizes(value, unnamed=not any_batch)}
    if len(names) > any_batch:
        raise ExportError(
            f"the graph holds sizes that are not fixed ({', '.join(sorted(names))}), allowed "
            f"is {'that of the batch' if any_batch else 'none'}: this is a defect, please "
            "report it with the schedule file"
        )


def _open_sizes(value: Any, *, unnamed: bool) -> Iterable[str]:
    """The names of a tensor's open sizes.

    Args:
        value: of the graph.
        unnamed: those that have none too, by the tensor's name. With an open batch the
            exporter leaves sizes of some tensors out, however well they follow.
    """
    for size in value.type.tensor_type.shape.dim:
        if size.dim_param or (unnamed and not size.HasField("dim_value")):
            yield size.dim_param or value.name
