"""Read the fields of parsed YAML or JSON, each checked, and refuse the rest.

PyYAML reads `1e3` as text, `no` as False and `12:30` as 750, so no value is taken on
trust: every reader below checks the type, `bool` before `int`, and every message says
where the value stands, what was found and what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from latmodel.errors import FieldError

__all__ = ["Fields", "shown"]

_Value = TypeVar("_Value")

_LARGEST = 2**53
"""In ns, 104 days; every integer up to it is exact as a float too, and sums fit 64 bits."""

_KINDS = {
    type(None): "nothing",
    bool: "a yes/no value",
    int: "an integer",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}


def shown(value: object) -> str:
    """A value for a message: text is quoted, what is long is cut."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _describe(value: object) -> str:
    """What was found, in the reader's words."""
    kind = _KINDS.get(type(value), type(value).__name__)
    if value is None or isinstance(value, (list, dict)):
        return kind
    return f"{kind} {shown(value)}"


class Fields:
    """The fields of one mapping: take each by name and type, then `finish`.

    Args:
        mapping: what the YAML or JSON parser made.
        path: where the mapping stands, for messages; "" for the whole file.

    Raises:
        FieldError: `mapping` is not a mapping, or a key is not text.

    >>> fields = Fields({"depth": 12, "name": "vit"}, "workload")
    >>> fields.integer("depth", minimum=1), fields.text("name")
    (12, 'vit')
    >>> fields.finish()
    >>> Fields({"depth": "1e3"}, "workload").integer("depth")
    Traceback (most recent call last):
    latmodel.errors.FieldError: workload.depth: found text '1e3', allowed is an integer
    """

    def __init__(self, mapping: object, path: str = "") -> None:
        if not isinstance(mapping, Mapping):
            raise FieldError(
                f"{path or 'the file'}: found {_describe(mapping)}, allowed is a mapping"
            )
        for key in mapping:
            if not isinstance(key, str):
                raise FieldError(
                    f"{path or 'the file'}: found the key {key!r}, allowed are keys of text"
                )
        self._mapping = dict(mapping)
        self._path = path
        self._taken: list[str] = []

    def path(self, name: str) -> str:
        """Where the field `name` stands in the file."""
        return f"{self._path}.{name}" if self._path else name

    def refuse(self, name: str, found: object, allowed: str) -> FieldError:
        """The error for field `name`; the caller raises it."""
        return FieldError(f"{self.path(name)}: found {_describe(found)}, allowed is {allowed}")

    def has(self, name: str) -> bool:
        """Whether the field is there and holds something."""
        self._taken.append(name)
        return self._mapping.get(name) is not None

    def raw(self, name: str) -> object:
        """The value of a field that must be there, its type not yet checked."""
        self._taken.append(name)
        if name not in self._mapping:
            raise FieldError(f"{self.path(name)}: missing")
        return self._mapping[name]

    def integer(self, name: str, *, minimum: int | None = None) -> int:
        """An integer, `minimum` or more."""
        value = self.raw(name)
        allowed = "an integer" if minimum is None else f"an integer of {minimum} or more"
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(name, value, allowed)
        if minimum is not None and value < minimum:
            raise self.refuse(name, value, allowed)
        if abs(value) > _LARGEST:
            raise self.refuse(name, value, f"{allowed} and at most {_LARGEST}")
        return value

    def number(self, name: str, *, minimum: float | None = None) -> float:
        """A finite number, `minimum` or more."""
        return _number(self.raw(name), minimum, lambda v, a: self.refuse(name, v, a))

    def text(self, name: str) -> str:
        """Text that is not empty."""
        value = self.raw(name)
        if not isinstance(value, str) or not value.strip():
            raise self.refuse(name, value, "text that is not empty")
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise self.refuse(name, value, "text that UTF-8 can hold")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of the words in `choices`."""
        value = self.raw(name)
        if value not in choices:
            raise self.refuse(name, value, "one of " + ", ".join(choices))
        return str(value)

    def boolean(self, name: str) -> bool:
        """`true` or `false`."""
        value = self.raw(name)
        if not isinstance(value, bool):
            raise self.refuse(name, value, "true or false")
        return value

    def sequence(self, name: str) -> list[object]:
        """A list, its elements not yet checked."""
        value = self.raw(name)
        if not isinstance(value, list):
            raise self.refuse(name, value, "a list")
        return value

    def integers(self, name: str, *, minimum: int | None = None) -> tuple[int, ...]:
        """A list of integers, each `minimum` or more."""
        items = self.sequence(name)
        parts = Fields({str(i): item for i, item in enumerate(items)}, self.path(name))
        return tuple(parts.integer(str(i), minimum=minimum) for i in range(len(items)))

    def numbers(self, name: str, *, minimum: float | None = None) -> tuple[float, ...]:
        """A list of finite numbers, each `minimum` or more."""
        items = self.sequence(name)
        parts = Fields({str(i): item for i, item in enumerate(items)}, self.path(name))
        return tuple(parts.number(str(i), minimum=minimum) for i in range(len(items)))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        items = self.sequence(name)
        parts = Fields({str(i): item for i, item in enumerate(items)}, self.path(name))
        return tuple(parts.text(str(i)) for i in range(len(items)))

    def mapping(self, name: str) -> Fields:
        """The fields of a mapping inside this one."""
        return Fields(self.raw(name), self.path(name))

    def names(self) -> tuple[str, ...]:
        """Every key of the mapping, in the file's order."""
        return tuple(self._mapping)

    def each(self, name: str, read: Callable[[Fields], _Value]) -> tuple[_Value, ...]:
        """A list of mappings, each read by `read`."""
        return tuple(
            read(Fields(item, f"{self.path(name)}[{i}]"))
            for i, item in enumerate(self.sequence(name))
        )

    def finish(self) -> None:
        """Refuse every field that was never asked for: a misspelt key is an error."""
        unknown = [name for name in self._mapping if name not in self._taken]
        if unknown:
            known = ", ".join(dict.fromkeys(self._taken))
            raise FieldError(f"{self.path(unknown[0])}: unknown key; known here are {known}")


def _number(
    value: object, minimum: float | None, refuse: Callable[[object, str], FieldError]
) -> float:
    allowed = (
        "a finite number" if minimum is None else f"a finite number of {minimum:g} or more"
    )
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refuse(value, allowed)
    try:
        number = float(value)
    except OverflowError:
        raise refuse(value, allowed) from None
    if not math.isfinite(number) or (minimum is not None and number < minimum):
        raise refuse(value, allowed)
    return number
