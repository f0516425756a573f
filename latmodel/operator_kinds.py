"""The kinds of operator: their dimensions, their names, one number for each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import ProfileError
from latmodel.kernels import Floats, require_not_negative

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from latmodel.fields import Fields

__all__ = ["DIMS", "Operator", "PerKind", "checked_sizes"]

DIMS: Mapping[str, tuple[str, ...]] = {
    "linear": ("rows", "in_features", "out_features"),
    "bmm": ("batch", "m", "n", "k"),
    "softmax": ("rows", "width"),
    "norm": ("rows", "width"),
    "gelu": ("rows", "width"),
    "add": ("rows", "width"),
    "attention": ("batch", "heads", "queries", "keys", "head_dim"),
}
"""The kinds of operator, and the dimensions that each is asked for; k is the reduction."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator to be timed or predicted.

    Attributes:
        kind: a key of `DIMS`.
        dims: its dimensions by name; numbers, or arrays of equal length.
    """

    kind: str
    dims: Mapping[str, npt.ArrayLike]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerKind:
    """One number for each kind of operator, 0 or more.

    Raises:
        ProfileError: a number is negative, NaN or infinite.
    """

    linear: float
    bmm: float
    softmax: float
    norm: float
    gelu: float
    add: float
    attention: float

    def __post_init__(self) -> None:
        require_not_negative(**asdict(self))

    def of(self, kind: str) -> float:
        """The number of one kind."""
        return float(getattr(self, kind))

    def to_dict(self) -> dict[str, object]:
        """As plain values, by kind."""
        return {kind: self.of(kind) for kind in DIMS}

    @classmethod
    def from_fields(cls, source: Fields) -> PerKind:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a kind is missing or unknown, or its number negative.
        """
        numbers = cls(**{kind: source.number(kind, minimum=0) for kind in DIMS})
        source.finish()
        return numbers


def checked_sizes(kind: str, dims: Mapping[str, npt.ArrayLike]) -> dict[str, Floats]:
    """The dimensions of one operator as arrays, in the order of `DIMS`.

    Raises:
        ProfileError: the kind is unknown, a dimension is missing, unknown or not positive,
            or shapes do not fit together.
    """
    if kind not in DIMS:
        raise ProfileError(f"operator kind is {kind!r}: must be one of {', '.join(DIMS)}")
    if set(dims) != set(DIMS[kind]):
        raise ProfileError(
            f"{kind} was given {', '.join(sorted(dims)) or 'no dimension'}: must be given "
            f"{', '.join(DIMS[kind])}"
        )
    try:
        sizes = {name: np.asarray(dims[name], dtype=np.float64) for name in DIMS[kind]}
    except (TypeError, ValueError):
        raise ProfileError(f"{kind}: a dimension is neither a number nor an array") from None
    for name, size in sizes.items():
        if not np.all((size > 0) & (size < np.inf)):
            raise ProfileError(f"{kind}: {name} holds a number that is not positive and finite")
    try:
        np.broadcast_shapes(*(size.shape for size in sizes.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {size.shape}" for name, size in sizes.items())
        raise ProfileError(f"{kind}: shapes that do not fit together: {shapes}") from None
    return sizes
