"""Single operators in PyTorch's eager mode, each run and waited for alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from latmodel.errors import MeasurementError
from latmodel.operator_kinds import DIMS, Operator, checked_sizes
from latmodel.runtimes.devices import TORCH_DTYPES, device_clock
from latmodel.runtimes.places import count_threads, environment_of, find_place, use_threads
from latmodel.timing import settle

if TYPE_CHECKING:
    from latmodel.environment import Environment

__all__ = ["OperatorTimer", "operator_call"]

Call = Callable[[], object]
Draw = Callable[..., torch.Tensor]


class OperatorTimer:
    """Latency of single operators on one device.

    An operator is prepared when it is first asked for, and called until it gets no quicker,
    before its first sample. Its tensors are its own, so that between two samples others pass
    through the caches.

    Args:
        dtype: one of `latmodel.workload.DTYPES`.
        device: "cpu", "cuda" or "cuda:1"; by default CUDA where there is one.
        threads: CPU threads; by default as many as torch uses. torch has one number for the
            whole process, and it is set.

    Raises:
        MeasurementError: the device is not there, the dtype is unknown, or `threads` is below
            1 or given for another processor than a CPU.
    """

    runtime = "torch eager"
    """The name that measurements bear."""

    def __init__(
        self, *, dtype: str = "fp32", device: str | None = None, threads: int | None = None
    ) -> None:
        if dtype not in TORCH_DTYPES:
            raise MeasurementError(
                f"dtype is {dtype!r}: must be one of {', '.join(TORCH_DTYPES)}"
            )
        self._place = find_place(device)
        self._threads = count_threads(self._place, threads)
        self._clock = device_clock(self._place.tensors)
        self._calls: dict[tuple[object, ...], Call] = {}
        self.dtype = dtype

    def operator_ns(self, operator: Operator) -> int:
        """One sample, in ns.

        Raises:
            MeasurementError: the operator does not run here.
            ProfileError: it has no such kind or dimensions.
        """
        use_threads(self._threads)  # another timer may have changed them
        call = self._ready(operator)
        with torch.inference_mode():
            return self._clock(call)

    def environment(self) -> Environment:
        """What these timings depend on, as far as it can be read."""
        return environment_of(
            self._place,
            runtime=self.runtime,
            runtime_version=str(torch.__version__),
            dtype=self.dtype,
            threads=self._threads,
        )

    def _ready(self, operator: Operator) -> Call:
        """A call of the operator that has done all that only first calls do."""
        sizes = {
            name: int(np.asarray(size).item())
            for name, size in checked_sizes(operator.kind, operator.dims).items()
        }
        key = (operator.kind, *sizes.values())
        if key not in self._calls:
            try:
                with torch.inference_mode():
                    call = operator_call(
                        operator.kind,
                        sizes,
                        dtype=TORCH_DTYPES[self.dtype],
                        device=self._place.tensors,
                    )
                    settle(lambda: self._clock(call))
            except RuntimeError as error:
                shape = " x ".join(str(sizes[name]) for name in DIMS[operator.kind])
                reason = " ".join(str(error).split())[:300]
                raise MeasurementError(
                    f"{self.runtime} cannot run {operator.kind} {shape} in {self.dtype}: "
                    f"{reason}; try a smaller batch, fewer probes or another dtype"
                ) from error
            self._calls[key] = call
        return self._calls[key]


def operator_call(
    kind: str, sizes: Mapping[str, int], *, dtype: torch.dtype, device: torch.device
) -> Call:
    """A call that runs one operator on tensors of random numbers and gives its output.

    Args:
        kind: a key of `DIMS`.
        sizes: its dimensions.
        dtype: of every tensor.
        device: where they are.
    """
    generator = torch.Generator(device).manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        # Zeros would cost a GPU less power, and so a higher clock.
        numbers = torch.randn(shape, generator=generator, device=device)
        return numbers.to(dtype)

    return _CALLS[kind](draw, *(sizes[name] for name in DIMS[kind]))


def _linear(draw: Draw, rows: int, in_features: int, out_features: int) -> Call:
    x, weight, bias = (
        draw(rows, in_features),
        draw(out_features, in_features),
        draw(out_features),
    )
    return lambda: functional.linear(x, weight, bias)


def _bmm(draw: Draw, batch: int, m: int, n: int, k: int) -> Call:
    left, right = draw(batch, m, k), draw(batch, k, n)
    return lambda: torch.bmm(left, right)


def _softmax(draw: Draw, rows: int, width: int) -> Call:
    x = draw(rows, width)
    return lambda: x.softmax(dim=-1)


def _norm(draw: Draw, rows: int, width: int) -> Call:
    x, weight, bias = draw(rows, width), draw(width), draw(width)
    return lambda: functional.layer_norm(x, (width,), weight, bias)


def _gelu(draw: Draw, rows: int, width: int) -> Call:
    x = draw(rows, width)
    return lambda: functional.gelu(x)


def _add(draw: Draw, rows: int, width: int) -> Call:
    x, y = draw(rows, width), draw(rows, width)
    return lambda: x + y


def _attention(
    draw: Draw, batch: int, heads: int, queries: int, keys: int, head_dim: int
) -> Call:
    q = draw(batch, heads, queries, head_dim)
    k, v = draw(batch, heads, keys, head_dim), draw(batch, heads, keys, head_dim)
    return lambda: functional.scaled_dot_product_attention(q, k, v)


_CALLS: Mapping[str, Callable[..., Call]] = {
    "linear": _linear,
    "bmm": _bmm,
    "softmax": _softmax,
    "norm": _norm,
    "gelu": _gelu,
    "add": _add,
    "attention": _attention,
}
