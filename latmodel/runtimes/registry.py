"""Every runtime by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latmodel.parts import PartTimer

__all__ = ["RUNTIMES", "build_timer"]

RUNTIMES: tuple[str, ...] = ("torch-eager",)


def build_timer(
    runtime: str,
    model: str,
    *,
    batch: int = 1,
    dtype: str = "fp32",
    device: str | None = None,
    threads: int | None = None,
) -> PartTimer:
    """A runtime with a model, ready to time its parts.

    Args:
        runtime: one of `RUNTIMES`.
        model: timm's name.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES`.
        device: "cpu" or "cuda"; by default CUDA where there is one.
        threads: CPU threads; by default as many as the runtime takes.

    Raises:
        ValueError: there is no such runtime.
        MeasurementError: the device is not there.
    """
    import torch  # noqa: PLC0415 (takes seconds)

    from latmodel.runtimes.torch_eager import TorchEager  # noqa: PLC0415 (as above)

    if runtime not in RUNTIMES:
        raise ValueError(f"runtime is {runtime!r}: must be one of {', '.join(RUNTIMES)}")
    if threads is not None:
        torch.set_num_threads(threads)
    return TorchEager(model, batch=batch, dtype=dtype, device=device)
