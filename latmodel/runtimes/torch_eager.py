"""Time the parts of a timm model in PyTorch's eager mode, on a CPU or a CUDA device."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from latmodel.architectures import build_model, describe
from latmodel.environment import Environment
from latmodel.errors import MeasurementError
from latmodel.timing import time_ns
from latmodel.workload import Workload

__all__ = ["TORCH_DTYPES", "TorchEager", "device_name", "find_device", "synchronizer"]

TORCH_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def find_device(name: str | None = None) -> torch.device:
    """The device of that name; by default CUDA where there is one, else the CPU.

    Raises:
        MeasurementError: no CPU or CUDA device has the name.
    """
    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(chosen)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise MeasurementError(f"device is {chosen!r}: must be cpu, cuda, or cuda:1 and so on")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        known = f"{found} CUDA devices" if found else "no CUDA device"
        raise MeasurementError(f"device is {chosen!r}: torch finds {known} here; try cpu")
    return device


def device_name(device: torch.device) -> str:
    """The processor's own name."""
    return _cpu_name() if device.type == "cpu" else torch.cuda.get_device_name(device)


def synchronizer(device: torch.device) -> Any:
    """What waits until `device` has finished; a CPU has when the call returns."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


class TorchEager:
    """One timm model on one device, and the latency of each of its parts.

    Every part runs through all blocks in sequence, so that no block finds its weights in
    a cache that the whole model would have emptied.

    Args:
        model: timm's name; weights are random, which latency does not depend on.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES`.
        device: "cpu" or "cuda"; by default CUDA where there is one.

    Raises:
        MeasurementError: the device is not there.
        UnknownModelError, WorkloadError: as `latmodel.architectures.describe`.
    """

    def __init__(
        self, model: str, *, batch: int = 1, dtype: str = "fp32", device: str | None = None
    ) -> None:
        self._device = find_device(device)
        self.workload: Workload = describe(model, batch=batch, dtype=dtype)
        self._dtype = TORCH_DTYPES[dtype]
        self._model: Any = build_model(model).to(self._device, self._dtype)
        self._synchronize = synchronizer(self._device)

    def _tokens(self, count: int) -> torch.Tensor:
        shape = (self.workload.batch, count, self.workload.dim)
        return torch.randn(shape, device=self._device, dtype=self._dtype)

    def _images(self) -> torch.Tensor:
        size = self._model.patch_embed.img_size
        channels = self._model.patch_embed.proj.in_channels
        shape = (self.workload.batch, channels, *size)
        return torch.randn(shape, device=self._device, dtype=self._dtype)

    def _time(self, repeats: int, module: Any, *inputs: torch.Tensor) -> tuple[int, ...]:
        with torch.inference_mode():
            return time_ns(
                lambda: module(*inputs),
                synchronize=self._synchronize,
                warmup=0,
                least=repeats,
                most=repeats,
            )

    def blocks_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """Samples of all blocks on `count` tokens, in ns."""
        return self._time(repeats, self._model.blocks, self._tokens(count))

    def mlps_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """Samples of the MLP halves of all blocks on `count` tokens, in ns."""

        def mlps(x: torch.Tensor) -> torch.Tensor:
            for block in self._model.blocks:
                x = x + block.ls2(block.mlp(block.norm2(x)))
            return x

        return self._time(repeats, mlps, self._tokens(count))

    def cut_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """Samples of one cut from the full count to `count`, in ns.

        It times the operations of the dearest score that ships ("pomt"): a softmax map of
        every query and a softmax over the values, then the choice, the gather and the mean
        of the rest. A cheaper score, and a cut from fewer tokens, cost less.
        """
        full, heads = self.workload.tokens, self.workload.heads
        x = self._tokens(full)
        shape = (self.workload.batch, heads, full, self.workload.head_dim)
        q, k, v = (torch.randn(shape, device=self._device, dtype=self._dtype) for _ in "qkv")
        return self._time(repeats, lambda *inputs: _cut(*inputs, count=count), x, q, k, v)

    def ends_ns(self, *, repeats: int) -> tuple[int, ...]:
        """Samples of what no cut changes, in ns: embedding, position, last norm, head."""
        model = self._model

        def ends(images: torch.Tensor) -> torch.Tensor:
            x = model.norm_pre(model._pos_embed(model.patch_embed(images)))  # noqa: SLF001
            head: torch.Tensor = model.forward_head(model.norm(x))
            return head

        return self._time(repeats, ends, self._images())

    def model_ns(self, *, repeats: int) -> tuple[int, ...]:
        """Samples of the whole unpruned model, in ns."""
        return self._time(repeats, self._model, self._images())

    def environment(self) -> Environment:
        """What these timings depend on, as far as it can be read."""
        import timm  # noqa: PLC0415 (read once, after the probing)

        on_cpu = self._device.type == "cpu"
        return Environment(
            device=device_name(self._device),
            runtime="torch eager",
            dtype=self.workload.dtype,
            threads=torch.get_num_threads() if on_cpu else 0,
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            torch=str(torch.__version__),
            timm=timm.__version__,
            driver="" if on_cpu else f"CUDA {torch.version.cuda}",
        )


def _cut(
    x: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, count: int
) -> torch.Tensor:
    """The work of one cut: (batch, tokens, dim) in, (batch, count, dim) out."""
    scale = q.shape[-1] ** -0.5
    attention = ((q.float() * scale) @ k.float().transpose(-2, -1)).softmax(dim=-1)
    received = attention.amax(dim=1).sum(dim=1)
    values = v.float().softmax(dim=2).amax(dim=1).sum(dim=2)
    score = received / received.amax(dim=1, keepdim=True) + values
    order = score.topk(x.shape[1], dim=1).indices
    kept = order[:, : count - 1].sort(dim=1).values
    chosen, rest = (
        x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        for places in (kept, order[:, count - 1 :])
    )
    return torch.cat((chosen, rest.mean(dim=1, keepdim=True)), dim=1)


def _cpu_name() -> str:
    """The processor's name as the kernel tells it, else its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
