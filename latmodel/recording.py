"""Take readings once: from the journal while it lasts, then from the device."""

from __future__ import annotations

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
    """

    def __init__(self, read: ReadPart, journal: Journal | None = None) -> None:
        self._read = read
        self._journal = journal
        self._replayed_ns = 0

    @property
    def replayed_s(self) -> float:
        """What the readings that came from the journal had taken, in seconds.

        0 as long as there are more of them: time must not run out over readings that are
        there already.
        """
        waiting = self._journal is not None and self._journal.left
        return 0.0 if waiting else self._replayed_ns / 1e9

    def read(self, phase: str, part: str, count: int, repeats: int = 1) -> tuple[int, ...]:
        """Samples of one part at one count, in ns.

        Raises:
            MeasurementError: a sample is not positive.
            JournalError: the journal cannot be written.
        """
        if self._journal is not None:
            recorded = self._journal.recorded(phase, part, count)
            if recorded is not None:
                self._replayed_ns += sum(recorded)
                return recorded
        samples = Measurement(count, self._read(part, count, repeats)).samples_ns
        if self._journal is not None:
            self._journal.append(phase, part, count, samples)
        return samples
