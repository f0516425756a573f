"""What torch runs when a timm model runs, as operators: the oracle of the operator lists."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Found", "operators_run"]

Found = tuple[str, tuple[int, ...]]
"""A kind and its dimensions, in the order of `DIMS`."""


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator that computes; views and copies are none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[Found] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        found = _READ[name](args, out) if name in _READ else None
        if found is not None:
            self.found[found] += 1
        return out


def operators_run(module: nn.Module, *inputs: torch.Tensor) -> Counter[Found]:
    """Run a module and count its operators."""
    recorder = _Recorder()
    with torch.no_grad(), recorder:
        module(*inputs)
    return recorder.found


def _linear(x: torch.Tensor, weight: torch.Tensor) -> Found:
    return "linear", (x.shape[0], x.shape[1], weight.shape[1])


def _stream(kind: str, tensor: torch.Tensor) -> Found:
    return kind, (tensor.numel() // tensor.shape[-1], tensor.shape[-1])


def _attention(args: Any, _out: Any) -> Found:
    batch, heads, queries, head_dim = args[0].shape
    return "attention", (batch, heads, queries, args[1].shape[2], head_dim)


def _convolution(args: Any, out: torch.Tensor) -> Found:
    rows = out.shape[0] * math.prod(out.shape[2:])
    return "linear", (rows, math.prod(args[1].shape[1:]), out.shape[1])


_READ: dict[str, Any] = {
    "addmm": lambda args, _: _linear(args[1], args[2]),
    "mm": lambda args, _: _linear(args[0], args[1]),
    "bmm": lambda args, _: (
        "bmm",
        (args[0].shape[0], args[0].shape[1], args[1].shape[2], args[0].shape[2]),
    ),
    "convolution": _convolution,
    "native_layer_norm": lambda args, _: _stream("norm", args[0]),
    "gelu": lambda args, _: _stream("gelu", args[0]),
    "silu": lambda args, _: _stream("gelu", args[0]),
    "_softmax": lambda args, _: _stream("softmax", args[0]),
    "add": lambda _, out: _stream("add", out),
    "mul": lambda _, out: _stream("add", out),
    "cat": lambda _, out: _stream("add", out),
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
}
