"""A plan's model as an ONNX file that is known to answer as it does, and what it takes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from latmodel.architectures import build_model
from latmodel.errors import MeasurementError
from latmodel.extras import require_extra
from latmodel.runtimes.devices import TORCH_DTYPES, cpu_name
from latmodel.runtimes.exporting import write_onnx
from latmodel.runtimes.onnx_files import (
    READERS,
    installed_readers,
    open_file,
    require_reader,
)
from latmodel.whole_files import placed_whole
from optimizer.errors import ExportError, VerificationError
from optimizer.parity import Parity, check_graph, check_parity
from optimizer.plan import Plan
from optimizer.pruning.exportable import exportable
from optimizer.pruning.planned import apply_plan
from optimizer.pruning.steadying import steady_images
from optimizer.pruning.twinning import twin
from optimizer.verifying import Verification, executed_counts, image_shape, steady_rounds

__all__ = ["Export", "export", "export_model"]

_BESIDE = ".data"
"""What the name of the file ends in that holds over a gigabyte of weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What was written, how near its answers are, and what it takes.

    Attributes:
        path: the file; weights of over a gigabyte lie in a second one, at `path` + ".data".
        dtype: of the file's weights, input and output.
        any_batch: whether it takes any number of images.
        parities: of each runtime in which it was compared with eager, in fp32.
        runtime: in which it was timed, with its version.
        timing: the file beside one of the uncut model, in that runtime; see `Verification`.
    """

    path: Path
    dtype: str
    any_batch: bool
    parities: tuple[Parity, ...]
    runtime: str
    timing: Verification

    def to_dict(self) -> dict[str, object]:
        """As plain values, latencies in ms."""
        return {
            "path": str(self.path),
            "dtype": self.dtype,
            "any_batch": self.any_batch,
            "parity": [parity.to_dict() for parity in self.parities],
            "runtime": self.runtime,
            **self.timing.to_dict(),
        }


def export(
    plan: Plan,
    path: str | Path,
    *,
    model: nn.Module | None = None,
    runtime: str | None = None,
    any_batch: bool = False,
    rounds: int = 30,
    on_step: Callable[[str], object] = lambda _step: None,
    on_round: Callable[[], object] = lambda: None,
) -> Export:
    """Cut the model as planned, write it, compare its answers, and time it.

    The file is compared with the cut model in eager on the CPU, in fp32, and is written only
    if it answers alike; then it is timed in turn with a file of the uncut model.

    Args:
        plan: what to export.
        path: the ONNX file, written whole or not at all.
        model: the uncut model, left as it is; by default timm's with random weights, which
            latency does not depend on.
        runtime: "onnxruntime" or "openvino", in which it is compared and timed; by default
            it is compared in each that is installed and timed in the first that knows the
            plan's dtype.
        any_batch: let the file take any number of images, not the plan's alone.
        rounds: pairs of samples, 2 or more; see `verify`.
        on_step: told what is being done.
        on_round: called after each round, for a progress bar.

    Raises:
        ExportError: the model cannot be exported, or the file's answers differ.
        MissingExtraError: packages are not installed; names the extra that brings them.
        MeasurementError: the runtime is unknown or does not know the plan's dtype.
        ProfileError: `path` cannot be written.
        VerificationError: `rounds` is below 2, or other counts ran than were planned.
        UnsupportedModelError, ScheduleError: the model cannot be cut as planned.
    """
    if rounds < 2:
        raise VerificationError(f"rounds is {rounds}: must be 2 or more")
    compared, timed = _choose(runtime, plan.dtype)
    with placed_whole(path, beside=(_BESIDE,)) as file:
        on_step("building and cutting the model")
        dense: Any = copy.deepcopy(model) if model is not None else build_model(plan.model)
        dense = dense.to("cpu", torch.float32).eval()
        pruned = apply_plan(twin(dense), plan)
        shape = (plan.batch, *image_shape(dense))
        parities = _write_checked(
            pruned, file, shape, compared, any_batch=any_batch, on_step=on_step
        )
        dtype = plan.dtype if timed == "onnxruntime" else "fp32"
        files = {"pruned": file, "dense": file.with_name("uncut.onnx")}
        images = torch.randn(shape, dtype=TORCH_DTYPES[dtype])
        _write_to_time(files, pruned, dense, images, any_batch=any_batch)
        on_step(f"timing in {timed}")
        version, timing = _time(plan, files, timed, pruned, images, rounds, on_round)
    return Export(
        path=Path(path),
        dtype=dtype,
        any_batch=any_batch,
        parities=parities,
        runtime=version,
        timing=timing,
    )


def export_model(
    model: nn.Module,
    path: str | Path,
    *,
    batch: int = 1,
    image: tuple[int, int, int] | None = None,
    runtime: str | None = None,
    any_batch: bool = False,
    on_step: Callable[[str], object] = lambda _step: None,
) -> tuple[Parity, ...]:
    """Write a model, cut or not, in fp32, if the file's answers are the model's.

    Args:
        model: left as it is; compared on the CPU in evaluation mode.
        path: the ONNX file, written whole or not at all.
        batch: images that it takes.
        image: channels, height and width of each; by default what timm trained it for.
        runtime: as `export` takes it.
        any_batch: let it take any number of images.
        on_step: told what is being done.

    Returns:
        How near the answers are, by runtime.

    Raises:
        ExportError, MissingExtraError, MeasurementError, ProfileError: as `export`.
    """
    if batch < 1:
        raise ExportError(f"batch is {batch}: must be 1 or more")
    compared, _ = _choose(runtime, "fp32")
    with placed_whole(path, beside=(_BESIDE,)) as file:
        other: Any = copy.deepcopy(model).to("cpu", torch.float32).eval()
        shape = (batch, *(image or image_shape(other)))
        return _write_checked(
            other, file, shape, compared, any_batch=any_batch, on_step=on_step
        )


def _choose(runtime: str | None, dtype: str) -> tuple[tuple[str, ...], str]:
    """The runtimes to compare in, and the one to time in."""
    require_extra("writing ONNX files", ("onnx", "onnxscript"), extra="onnx")
    if runtime is not None:
        require_reader(runtime)
    found = installed_readers() if runtime is None else (runtime,)
    if not found:
        require_reader(next(iter(READERS)))
    able = [name for name in found if (name, dtype) != ("onnxruntime", "bf16")]
    if not able:
        raise MeasurementError(
            "dtype is 'bf16': onnxruntime has no bf16 kernels for these models; allowed are "
            "fp32 and fp16, or bf16 in openvino"
        )
    return found, able[0]


def _write_checked(
    model: Any,
    file: Path,
    shape: tuple[int, int, int, int],
    runtimes: tuple[str, ...],
    *,
    any_batch: bool,
    on_step: Callable[[str], object],
) -> tuple[Parity, ...]:
    """Write a float32 model and compare the file with it in each runtime."""
    on_step("looking for images to compare on")
    batch, *_ = shape
    batches = (batch, batch + 1) if any_batch else (batch,)
    steady = steady_images(model, (max(batches), *shape[1:]))
    on_step("writing the ONNX file")
    _write(model, file, steady.images[:batch], any_batch=any_batch)
    check_graph(file, any_batch=any_batch)
    parities = []
    for runtime in runtimes:
        on_step(f"comparing answers in {runtime}")
        parities.append(check_parity(model, file, runtime, steady=steady, batches=batches))
    return tuple(parities)


def _write(model: nn.Module, file: Path, images: torch.Tensor, *, any_batch: bool) -> None:
    if any_batch and len(images) == 1:
        images = images.repeat(2, 1, 1, 1)  # of one, torch would make a constant
    made = exportable(model, images)
    try:
        with torch.no_grad():
            write_onnx(made, (images,), file, beside=None, any_batch=any_batch)
    except MeasurementError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ExportError(f"torch cannot export this model: {reason}") from error


def _write_to_time(
    files: dict[str, Path],
    pruned: nn.Module,
    dense: nn.Module,
    images: torch.Tensor,
    *,
    any_batch: bool,
) -> None:
    """The uncut model's file, and where it is not fp32 the cut one's in its place."""
    if images.dtype != torch.float32:
        pruned.to(images.dtype)  # the uncut one with it: they share their weights
        _write(pruned, files["pruned"], images, any_batch=any_batch)
    _write(dense, files["dense"], images, any_batch=any_batch)


def _time(
    plan: Plan,
    files: dict[str, Path],
    runtime: str,
    pruned: nn.Module,
    images: torch.Tensor,
    rounds: int,
    on_round: Callable[[], object],
) -> tuple[str, Verification]:
    """The runtime with its version, and both files' samples in turn."""
    executed = executed_counts(pruned, images)
    if executed != plan.schedule.tokens:
        raise VerificationError(
            f"planned {plan.schedule.tokens} but {executed} ran: this is a defect, please "
            "report it with the schedule file"
        )
    opened = {name: open_file(file, runtime, dtype=plan.dtype) for name, file in files.items()}
    for name, one in opened.items():
        if not bool(one.run(images).isfinite().all()):
            raise ExportError(
                f"{one.name} answers no numbers for the {name} model, {plan.dtype}"
            )
    calls: dict[str, Callable[[], object]] = {
        name: one.bind(images) for name, one in opened.items()
    }
    samples = steady_rounds(calls, torch.device("cpu"), rounds, on_round)
    return opened["pruned"].name, Verification(
        device=cpu_name(),
        planned_device=plan.device,
        planned=plan.schedule.tokens,
        executed=executed,
        budget_ns=plan.budget_ns,
        predicted_ns=plan.predicted_ns,
        predicted_dense_ns=plan.dense_ns,
        pruned_ns=samples["pruned"],
        dense_ns=samples["dense"],
    )
