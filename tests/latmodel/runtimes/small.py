"""Models of timm's own forms, with few features, and timers of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from latmodel.architectures import build_model, describe
from latmodel.runtimes import module_timer, parts
from latmodel.runtimes.module_timer import ModuleTimer
from latmodel.runtimes.parts import Part
from latmodel.runtimes.registry import build_timer
from latmodel.workload import Workload

SMALL: dict[str, Any] = {"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3}
TOKENS = 17  # 4 x 4 patches and the class token


def shrink(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Make timm's models small until the test ends."""
    sizes = {**SMALL, **options}

    def build(name: str, **more: Any) -> nn.Module:
        return build_model(name, **sizes, **more)

    def describing(name: str, *, batch: int, dtype: str) -> Workload:
        return describe(build(name), batch=batch, dtype=dtype)

    monkeypatch.setattr(parts, "build_model", build)
    monkeypatch.setattr(module_timer, "describe", describing)


def random_timer(runtime: str, **options: Any) -> ModuleTimer:
    """A timer of a small model with layer scale; every weight is drawn, none is 0 or 1."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch, init_values=0.1)
        timer: Any = build_timer(runtime, "deit_tiny_patch16_224", **options)
    assert isinstance(timer, ModuleTimer)
    generator = torch.Generator().manual_seed(0)
    for weight in timer._parts.model.parameters():
        drawn = torch.empty(weight.shape).normal_(std=0.3, generator=generator)
        weight.data.copy_(drawn)
    return timer


def part_of(timer: ModuleTimer, name: str, count: int) -> Part:
    """One part by its name."""
    made = {
        "blocks": lambda: timer._parts.blocks(count),
        "mlps": lambda: timer._parts.mlps(count),
        "cut": lambda: timer._parts.cut(count),
        "ends": timer._parts.ends,
        "model": timer._parts.whole,
    }
    return made[name]()


def all_numbers(outputs: Any) -> list[npt.NDArray[np.float32]]:
    """What a call or a module gave: one tensor, or several in any sequence."""
    several = isinstance(outputs, Sequence) or not hasattr(outputs, "shape")
    return [_array(output) for output in (outputs if several else [outputs])]


def numbers(outputs: Any) -> npt.NDArray[np.float32]:
    """The only output."""
    (array,) = all_numbers(outputs)
    return array


def _array(output: Any) -> npt.NDArray[np.float32]:
    """An output of any runtime: a tensor of torch, of ONNX Runtime or of OpenVINO."""
    if isinstance(output, torch.Tensor):
        output = output.float().cpu()
    found = output.numpy() if hasattr(output, "numpy") else output.data
    return np.array(found, dtype=np.float32)
