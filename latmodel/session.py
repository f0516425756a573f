"""What a session measures, how and on what: readings of two may be joined if it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from latmodel.environment import Environment
from latmodel.errors import EnvironmentMismatchError
from latmodel.fields import Fields
from latmodel.workload import Workload

__all__ = ["Session"]

FORMAT = 1
"""The format of a journal, which begins with its session; any other number is refused."""


@dataclass(frozen=True, slots=True)
class Session:
    """What must be the same before readings of two sessions may be joined.

    Attributes:
        workload: what is timed.
        environment: what it is timed on.
        settings: numbers that say how, by name.
    """

    workload: Workload
    environment: Environment
    settings: Mapping[str, float]

    def require_same(self, before: Session) -> None:
        """Refuse to go on with readings that were taken of something else.

        Raises:
            EnvironmentMismatchError: a shape of the workload, a field of the environment
                or a setting differs; the message names it and both values.
        """
        _require_equal("workload", self.workload.to_dict(), before.workload.to_dict())
        _require_equal("settings", self.settings, before.settings)
        self.environment.require_same(before.environment)

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {
            "format": FORMAT,
            "workload": self.workload.to_dict(),
            "environment": self.environment.to_dict(),
            "settings": dict(self.settings),
        }

    @classmethod
    def from_fields(cls, source: Fields) -> Session:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown or of the wrong type.
            WorkloadError: the workload describes no transformer.
        """
        if source.integer("format") != FORMAT:
            raise source.refuse("format", source.integer("format"), f"{FORMAT}")
        settings = source.mapping("settings")
        session = cls(
            workload=Workload.from_fields(source.mapping("workload")),
            environment=Environment.from_fields(source.mapping("environment")),
            settings={name: _plain(settings.number(name)) for name in settings.names()},
        )
        source.finish()
        return session


def _plain(number: float) -> float:
    """24 rather than 24.0, for whoever reads it in a message."""
    return int(number) if number.is_integer() else number


def _require_equal(kind: str, here: Mapping[str, object], there: Mapping[str, object]) -> None:
    for name in dict.fromkeys((*here, *there)):
        mine, theirs = here.get(name), there.get(name)
        if mine != theirs:
            raise EnvironmentMismatchError(
                f"{kind}.{name} is {mine!r} here and {theirs!r} in the journal: go on with "
                "the same command, or remove the journal"
            )
