"""What all runtimes share: prepare a part once, wait until it is ready, time it."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from latmodel.architectures import describe
from latmodel.environment import Environment
from latmodel.errors import MeasurementError
from latmodel.runtimes.devices import TORCH_DTYPES, device_clock, device_name, find_device
from latmodel.runtimes.parts import Part, Parts
from latmodel.timing import settle
from latmodel.workload import Workload

__all__ = ["Call", "ModuleTimer", "Place"]

Call = Callable[[], object]


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


class ModuleTimer(ABC):
    """One timm model in one runtime, and the latency of each of its parts.

    A runtime says where it runs and turns a part into a call; a part is prepared when it is
    first asked for, and called until it gets no quicker, before its first sample.

    Args:
        model: timm's name; weights are random, which latency does not depend on.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES` that the runtime knows.
        device: the runtime's name of it; by default the fastest that it finds.
        threads: CPU threads; by default as many as torch uses, whatever the runtime, so that
            runtimes compare. torch has one number for the whole process, and it is set.

    Raises:
        MeasurementError: the device is not there, the runtime does not know the dtype, or
            `threads` is below 1 or given for another processor than a CPU.
        UnknownModelError, WorkloadError: as `latmodel.architectures.describe`.
    """

    runtime: ClassVar[str]
    """The name that measurements bear."""

    advice: ClassVar[str] = "try a smaller batch or another runtime"
    """What to do where a part does not run."""

    failures: ClassVar[tuple[type[Exception], ...]] = (RuntimeError,)
    """What the runtime raises where a part does not compile or run, or memory ends."""

    kept_bytes: int = 0
    """What prepared parts may hold together; parts beyond it are prepared at each reading."""

    def __init__(
        self,
        model: str,
        *,
        batch: int = 1,
        dtype: str = "fp32",
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        self._place = self._find_place(device)
        self._threads = self._count_threads(threads)
        self.workload: Workload = describe(model, batch=batch, dtype=dtype)
        self._parts = Parts(
            self.workload, dtype=self._find_dtype(dtype), device=self._place.tensors
        )
        self._clock = device_clock(self._place.tensors)
        self._calls: dict[tuple[str, int], Call] = {}
        self._held_bytes = 0

    @abstractmethod
    def prepare(self, part: Part) -> Call:
        """Turn a part into a call that runs it and gives its outputs; may compile."""

    def _find_place(self, device: str | None) -> Place:
        """Where the device of that name is; torch's devices, unless a runtime has its own."""
        found = find_device(device)
        return Place(
            processor=device_name(found),
            tensors=found,
            on_cpu=found.type == "cpu",
            driver="" if found.type == "cpu" else f"CUDA {torch.version.cuda}",
        )

    def _find_dtype(self, dtype: str) -> torch.dtype:
        """What weights and inputs are made of."""
        return TORCH_DTYPES[dtype]

    def _version(self) -> str:
        """The runtime's own version."""
        return str(torch.__version__)

    def _cost_bytes(self, _part: Part) -> int:
        """What a prepared part holds for itself; nothing, where weights are shared."""
        return 0

    def _count_threads(self, threads: int | None) -> int:
        if not self._place.on_cpu:
            if threads is not None:
                raise MeasurementError(
                    f"threads is {threads}: only a CPU has threads, and the device is "
                    f"{self._place.processor}; leave threads out"
                )
            return 0
        if threads is not None and threads < 1:
            raise MeasurementError(f"threads is {threads}: must be 1 or more")
        return threads or torch.get_num_threads()

    def _use_threads(self) -> None:
        """Make torch use the threads asked for; another timer may have changed them."""
        if self._threads and torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)

    def _ready(self, part: Part) -> Call:
        """A call of the part that has done all that only first calls do."""
        key = (part.name, part.count)
        if key in self._calls:
            return self._calls[key]
        call = self._settled(part)
        # Counts are read in turn, round after round, so the first few that fit are kept for
        # good: if the longest unused made room, each would be gone before its next turn.
        cost = self._cost_bytes(part)
        if not cost or self._held_bytes + cost <= self.kept_bytes:
            self._calls[key] = call
            self._held_bytes += cost
        return call

    def _settled(self, part: Part) -> Call:
        """Prepare a part and call it until it gets no quicker."""
        try:
            call = self.prepare(part)
            with torch.inference_mode():
                settle(lambda: self._clock(call))
        except self.failures as error:
            # The first lines often only say where, the last hold a traceback.
            reason = " ".join(str(error).split())[:300]
            raise MeasurementError(
                f"{self.runtime} cannot run {part.name} of {self.workload.model} at "
                f"{part.count} tokens, batch {self.workload.batch}, {self.workload.dtype}: "
                f"{reason}; {self.advice}"
            ) from error
        return call

    def _time(self, part: Part, repeats: int) -> tuple[int, ...]:
        self._use_threads()
        call = self._ready(part)
        with torch.inference_mode():
            return tuple(self._clock(call) for _ in range(repeats))

    def blocks_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """Samples of all blocks on `count` tokens, in ns."""
        return self._time(self._parts.blocks(count), repeats)

    def mlps_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """Samples of the MLP halves of all blocks on `count` tokens, in ns."""
        return self._time(self._parts.mlps(count), repeats)

    def cut_ns(self, count: int, /, *, repeats: int) -> tuple[int, ...]:
        """Samples of one cut from the full count to `count`, in ns."""
        return self._time(self._parts.cut(count), repeats)

    def ends_ns(self, *, repeats: int) -> tuple[int, ...]:
        """Samples of what no cut changes, in ns: embedding, position, last norm, head."""
        return self._time(self._parts.ends(), repeats)

    def model_ns(self, *, repeats: int) -> tuple[int, ...]:
        """Samples of the whole unpruned model, in ns."""
        return self._time(self._parts.whole(), repeats)

    def environment(self) -> Environment:
        """What these timings depend on, as far as it can be read."""
        import timm  # noqa: PLC0415 (read once, after the probing)

        return Environment(
            device=self._place.processor,
            runtime=self.runtime,
            runtime_version=self._version(),
            dtype=self.workload.dtype,
            threads=self._threads,
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            torch=str(torch.__version__),
            timm=timm.__version__,
            driver=self._place.driver,
        )
