"""What all runtimes share: prepare a part once, wait until it is ready, time it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch

from latmodel.architectures import describe
from latmodel.environment import Environment
from latmodel.errors import MeasurementError
from latmodel.runtimes.devices import TORCH_DTYPES, device_clock
from latmodel.runtimes.parts import Part, Parts
from latmodel.runtimes.places import (
    Place,
    count_threads,
    environment_of,
    find_place,
    use_threads,
)
from latmodel.timing import settle
from latmodel.workload import Workload

__all__ = ["Call", "ModuleTimer", "Place"]

Call = Callable[[], object]


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
        self._threads = count_threads(self._place, threads)
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
        return find_place(device)

    def _find_dtype(self, dtype: str) -> torch.dtype:
        """What weights and inputs are made of."""
        return TORCH_DTYPES[dtype]

    def _version(self) -> str:
        """The runtime's own version."""
        return str(torch.__version__)

    def _cost_bytes(self, _part: Part) -> int:
        """What a prepared part holds for itself; nothing, where weights are shared."""
        return 0

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
        use_threads(self._threads)  # another timer may have changed them
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
        return environment_of(
            self._place,
            runtime=self.runtime,
            runtime_version=self._version(),
            dtype=self.workload.dtype,
            threads=self._threads,
        )
