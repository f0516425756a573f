"""Where a runtime runs: the processor, its threads, and what timings on it depend on."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import torch

from latmodel.environment import Environment
from latmodel.errors import MeasurementError
from latmodel.runtimes.devices import device_name, find_device

__all__ = ["Place", "count_threads", "environment_of", "find_place", "use_threads"]

MOST_THREADS = 4096
"""More than any machine runs at once; torch crashes when asked for millions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a runtime runs.

    Attributes:
        processor: its own name.
        tensors: where torch keeps weights and inputs, and whose clock times a call.
        on_cpu: whether CPU threads do the work.
        driver: the processor's driver; "" where there is none.
    """

    processor: str
    tensors: torch.device
    on_cpu: bool
    driver: str = ""


def find_place(device: str | None) -> Place:
    """Where torch's device of that name is; by default CUDA where there is one.

    Raises:
        MeasurementError: no CPU or CUDA device has the name.
    """
    found = find_device(device)
    return Place(
        processor=device_name(found),
        tensors=found,
        on_cpu=found.type == "cpu",
        driver="" if found.type == "cpu" else f"CUDA {torch.version.cuda}",
    )


def count_threads(place: Place, threads: int | None) -> int:
    """CPU threads to use; by default as many as torch does, 0 where the place is no CPU.

    Raises:
        MeasurementError: `threads` is below 1 or above `MOST_THREADS`, or given for another
            processor than a CPU.
    """
    if not place.on_cpu:
        if threads is not None:
            raise MeasurementError(
                f"threads is {threads}: only a CPU has threads, and the device is "
                f"{place.processor}; leave threads out"
            )
        return 0
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise MeasurementError(f"threads is {threads}: must be 1 to {MOST_THREADS}")
    return threads or torch.get_num_threads()


def use_threads(threads: int) -> None:
    """Make torch use so many threads; another timer may have changed them."""
    if threads and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def environment_of(
    place: Place, *, runtime: str, runtime_version: str, dtype: str, threads: int
) -> Environment:
    """What timings depend on, as far as it can be read."""
    import timm  # noqa: PLC0415 (read once, after the probing)

    return Environment(
        device=place.processor,
        runtime=runtime,
        runtime_version=runtime_version,
        dtype=dtype,
        threads=threads,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=str(torch.__version__),
        timm=timm.__version__,
        driver=place.driver,
    )
