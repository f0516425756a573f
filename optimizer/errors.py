"""Every error that optimizer raises for its caller; each is also a builtin."""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "DamageError",
    "EvaluationError",
    "ExportError",
    "ImagesError",
    "InfeasibleError",
    "OptimizerError",
    "PictureError",
    "ProblemError",
    "ScheduleError",
    "SolverError",
    "UndecidedError",
    "UnsupportedModelError",
    "VerificationError",
    "WeightsError",
    "WorldError",
]


class OptimizerError(Exception):
    """The root of this package's errors: catch it to catch them all."""


class BudgetError(OptimizerError, ValueError):
    """A latency budget that cannot be read, or is not positive."""


class ScheduleError(OptimizerError, ValueError):
    """A schedule that breaks its own rules or does not fit the model."""


class ProblemError(OptimizerError, ValueError):
    """A problem whose arrays or constraints contradict each other."""


class InfeasibleError(OptimizerError, ValueError):
    """No schedule meets the budget; the message names the fastest."""


class SolverError(OptimizerError, RuntimeError):
    """A solver ended without an answer, or with one that does not check."""


class UndecidedError(SolverError):
    """No schedule within a budget was found, nor a proof that there is none.

    Attributes:
        bound: such a schedule would be worth no more.
    """

    def __init__(self, message: str, *, bound: int = 0) -> None:
        super().__init__(message)
        self.bound = bound


class UnsupportedModelError(OptimizerError, TypeError):
    """A model, block or attention that cannot be cut without changing its answers."""


class VerificationError(OptimizerError, RuntimeError):
    """The counts that ran are not the counts that were planned."""


class ExportError(OptimizerError, RuntimeError):
    """A model that cannot be exported, or whose file does not answer as the model does."""


class PictureError(OptimizerError, ValueError):
    """An image that cannot be read or shown, or positions that do not lie on it."""


class WeightsError(OptimizerError, ValueError):
    """A checkpoint that cannot be read safely, or holds another model's weights."""


class DamageError(OptimizerError, ValueError):
    """A damage table that contradicts itself, or was measured of something else."""


class EvaluationError(OptimizerError, RuntimeError):
    """Answers that cannot be compared: none, no numbers, or not one for each image."""


class ImagesError(OptimizerError, ValueError):
    """Images that cannot be found or read, or whose labels are not the model's."""


class WorldError(OptimizerError, ValueError):
    """Processes that cannot find one another, or do not agree who is who."""
