"""What was running when a device was timed, and what must agree before timings may join."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from latmodel.errors import EnvironmentMismatchError
from latmodel.fields import Fields

__all__ = ["Environment"]

_MUST_MATCH = (
    "device",
    "runtime",
    "runtime_version",
    "dtype",
    "threads",
    "clock_mhz",
    "power_mode",
    "torch",
)
"""What changes latency itself; the Python, timm and system versions are kept for the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The circumstances of a measurement.

    Attributes:
        device: the processor's own name.
        runtime: what ran the model, such as "torch eager".
        dtype: the number format.
        threads: CPU threads used; 0 where the device is not a CPU.
        clock_mhz: the clock the device reports as its highest, in MHz; 0 if unreadable.
        power_mode: the power mode's name; "" if the device has none or it is unreadable.
        system: operating system and architecture.
        python: Python's version.
        torch: torch's version.
        timm: timm's version.
        driver: the device driver's version; "" where there is none.
        runtime_version: the runtime's own version; "" where it was not recorded.
    """

    device: str
    runtime: str
    dtype: str
    threads: int
    clock_mhz: int = 0
    power_mode: str = ""
    system: str = ""
    python: str = ""
    torch: str = ""
    timm: str = ""
    driver: str = ""
    runtime_version: str = ""

    def require_same(self, other: Environment) -> None:
        """Refuse to join timings taken under other circumstances.

        Raises:
            EnvironmentMismatchError: a field that changes latency differs; the message
                names the field and both values.
        """
        for name in _MUST_MATCH:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise EnvironmentMismatchError(
                    f"environments differ in {name}: {mine!r} here, {theirs!r} there; "
                    "timings from both may not be joined: probe again into a new file"
                )

    def to_dict(self) -> dict[str, object]:
        """As plain values; what is unknown is left out."""
        return {name: value for name, value in asdict(self).items() if value not in ("", 0)}

    @classmethod
    def from_fields(cls, source: Fields) -> Environment:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown or of the wrong type.
        """
        values: dict[str, object] = {}
        for field in fields(cls):
            required = field.name in ("device", "runtime", "dtype")
            if field.name in ("threads", "clock_mhz"):
                known = source.has(field.name)
                values[field.name] = source.integer(field.name, minimum=0) if known else 0
            elif required or source.has(field.name):
                values[field.name] = source.text(field.name)
        source.finish()
        return cls(**values)  # type: ignore[arg-type]  # each value was checked above
