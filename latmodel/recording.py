"""Take readings once: from the journal while it lasts, then from the device."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from latmodel.journal import Journal
from latmodel.measurement import Measurement
from latmodel.parts import ReadPart

__all__ = ["Recorder"]


class Recorder:
    """Readings of parts, on file as soon as they are taken.

    Who asks cannot tell a reading of an interrupted probe from a new one, so that a probe
    that goes on makes the same choices and takes only what is missing.

    Args:
        read: times a part on the device.
        journal: what was recorded before, and where new readings go; None keeps none.
        clock: the time in seconds, from any start.
    """

    def __init__(
        self,
        read: ReadPart,
        journal: Journal | None = None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read = read
        self._journal = journal
        self._clock = clock
        self._ready: set[tuple[str, int]] = set()
        self._preparing_s = 0.0
        self._replayed_ns = 0

    @property
    def replayed_s(self) -> float:
        """What the readings in turn that came from the journal had taken, in seconds.

        Those by which counts were chosen are left out, as they are of a probe that was not
        interrupted. 0 as long as there are more of them: time must not run out over readings
        that are there already.
        """
        waiting = self._journal is not None and self._journal.left
        return 0.0 if waiting else self._replayed_ns / 1e9

    @property
    def preparing_s(self) -> float:
        """What the first reading of each part and count took beside its samples, in seconds.

        A runtime that exports or compiles may take longer for that than for all readings.
        """
        return self._preparing_s

    def read(self, phase: str, part: str, count: int, repeats: int = 1) -> tuple[int, ...]:
        """Samples of one part at one count, in ns.

        Raises:
            MeasurementError: a sample is not positive.
            JournalError: the journal cannot be written.
        """
        if self._journal is not None:
            recorded = self._journal.recorded(phase, part, count)
            if recorded is not None:
                self._replayed_ns += sum(recorded) if phase == "turn" else 0
                return recorded
        began_s = self._clock()
        samples = Measurement(count, self._read(part, count, repeats)).samples_ns
        if (part, count) not in self._ready:
            self._ready.add((part, count))
            beside_s = self._clock() - began_s - sum(samples) / 1e9
            self._preparing_s += max(beside_s, 0.0)
        if self._journal is not None:
            self._journal.append(phase, part, count, samples)
        return samples
