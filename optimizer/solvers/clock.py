"""When to stop a search."""

from __future__ import annotations

import time
from dataclasses import dataclass

__all__ = ["Clock", "OutOfTime"]


class OutOfTime(Exception):  # noqa: N818 (no error: an answer comes of it)
    """The time limit is over."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Raises once a moment has passed.

    Attributes:
        end: the moment, of `time.monotonic`; None never comes.
    """

    end: float | None

    @classmethod
    def of(cls, time_limit_s: float | None) -> Clock:
        """A clock that stops so many seconds from now; None never stops."""
        return cls(None if time_limit_s is None else time.monotonic() + time_limit_s)

    def look(self) -> None:
        """Go on, or raise.

        Raises:
            OutOfTime: the moment has passed.
        """
        if self.end is not None and time.monotonic() > self.end:
            raise OutOfTime
