"""Every error that latmodel raises for its caller; each is also a builtin."""

from __future__ import annotations

__all__ = [
    "EnvironmentMismatchError",
    "FieldError",
    "JournalError",
    "LatmodelError",
    "MeasurementError",
    "MissingExtraError",
    "PlotError",
    "ProfileError",
    "UnknownModelError",
    "UnknownProfileError",
    "WorkloadError",
]


class LatmodelError(Exception):
    """The root of this package's errors: catch it to catch them all."""


class FieldError(LatmodelError, ValueError):
    """A field of a file holds what it may not; the message starts with its path."""


class ProfileError(LatmodelError, ValueError):
    """A device profile cannot be read, or cannot answer for the workload asked."""


class UnknownProfileError(ProfileError, LookupError):
    """No file and no shipped profile has the name given."""


class WorkloadError(LatmodelError, ValueError):
    """A model cannot be described as a plain vision transformer."""


class UnknownModelError(WorkloadError, LookupError):
    """Timm knows no model of the name given."""


class MeasurementError(LatmodelError, ValueError):
    """Timings that cannot be used: none, not positive, or not whole nanoseconds."""


class EnvironmentMismatchError(LatmodelError, ValueError):
    """Two measurements come from environments that may not be joined."""


class JournalError(LatmodelError, ValueError):
    """The journal of an interrupted probe is in the way, missing, or cannot be written."""


class PlotError(LatmodelError, ValueError):
    """A picture cannot be drawn or written as it was asked for."""


class MissingExtraError(LatmodelError, ImportError):
    """An optional library is not installed; the message says which extra brings it."""
