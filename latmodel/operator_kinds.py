"""The kinds of operator: their dimensions, their names, the ranges they were read in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import shown
from latmodel.slowdowns import Floats, require_not_negative

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from latmodel.fields import Fields

__all__ = [
    "DIMS",
    "PRODUCTS",
    "STREAMS",
    "Operator",
    "Span",
    "check_part",
    "check_tests",
    "checked_sizes",
    "itemsize",
    "spans_from",
]

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

PRODUCTS = ("linear", "bmm", "attention")
"""Kinds that multiply matrices."""

STREAMS: Mapping[str, int] = {"softmax": 2, "norm": 2, "gelu": 2, "add": 3}
"""Kinds that only stream through memory, and how many tensors each reads and writes."""

SPAN_NAMES = ("rows", "reduction", "columns", "width")
"""What the ranges of readings are called, whatever the kind."""

_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}


def itemsize(dtype: str) -> int:
    """Bytes of one number.

    Raises:
        ProfileError: the dtype is unknown.
    """
    if dtype not in _BYTES:
        raise ProfileError(f"dtype is {dtype!r}: must be one of {', '.join(_BYTES)}")
    return _BYTES[dtype]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator to be timed or predicted.

    Attributes:
        kind: a key of `DIMS`.
        dims: its dimensions by name; numbers, or arrays of equal length.
    """

    kind: str
    dims: Mapping[str, npt.ArrayLike]


@dataclass(frozen=True, slots=True)
class Span:
    """The least and the greatest value of one dimension among the readings fitted to.

    Raises:
        ProfileError: the two do not ascend from 1.
    """

    name: str
    low: int
    high: int

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high:
            raise ProfileError(f"{self.name} is {self.low} to {self.high}: must ascend from 1")

    def distance(self, values: npt.ArrayLike) -> Floats:
        """How far values, above 0, lie outside: the log of the ratio to the nearer end, else 0.

        >>> Span("rows", 8, 64).distance([4, 8, 64, 128]).round(3).tolist()
        [0.693, 0.0, 0.0, 0.693]
        """
        asked = np.asarray(values, dtype=np.float64)
        beyond = np.maximum(np.maximum(self.low / asked, asked / self.high), 1.0)
        return np.asarray(np.log(beyond))


def spans_from(source: Fields) -> tuple[Span, ...]:
    """Read spans, written as `name: [low, high]`.

    Raises:
        FieldError: a name is none of `SPAN_NAMES`, or a span is no pair of integers that
            ascend from 1.
    """
    spans = []
    for name in source.names():
        if name not in SPAN_NAMES:
            raise FieldError(
                f"{source.path(name)}: unknown key; known here are {', '.join(SPAN_NAMES)}"
            )
        ends = source.integers(name, minimum=1)
        if len(ends) != 2 or ends[0] > ends[1]:
            raise FieldError(
                f"{source.path(name)}: found {shown(list(ends))}, allowed are two "
                "integers that ascend from 1"
            )
        spans.append(Span(name, ends[0], ends[1]))
    source.finish()
    return tuple(spans)


def check_part(
    *,
    kinds: tuple[str, ...],
    allowed: Collection[str],
    dtypes: tuple[str, ...],
    sms: int,
    bandwidth_gb_s: float,
    launch_ns: tuple[float, ...],
    relative_error: float,
) -> None:
    """Refuse what no model of products or streams may hold.

    Raises:
        ProfileError: names the field, what was found and what is allowed.
    """
    if not kinds or not set(kinds) <= set(allowed):
        raise ProfileError(
            f"kinds are {', '.join(kinds) or 'none'}: must be among {', '.join(allowed)}"
        )
    if not dtypes:
        raise ProfileError("dtypes is empty: name at least one number format")
    for dtype in dtypes:
        itemsize(dtype)
    if sms < 1:
        raise ProfileError(f"sms is {sms}: must be 1 or more")
    if not 0 < bandwidth_gb_s < np.inf:
        raise ProfileError(f"bandwidth_gb_s is {bandwidth_gb_s}: must be finite and above 0")
    if len(launch_ns) != len(kinds):
        raise ProfileError(
            f"launch_ns holds {len(launch_ns)} numbers: must hold one per kind, {len(kinds)}"
        )
    numbers = {f"launch_ns.{kind}": ns for kind, ns in zip(kinds, launch_ns, strict=True)}
    require_not_negative(**numbers, relative_error=relative_error)


def check_tests(name: str, tested: Collection[str], known: Collection[str]) -> None:
    """Refuse trees that test what no shape has.

    Raises:
        ProfileError: names the field and the first such feature.
    """
    unknown = set(tested) - set(known)
    if unknown:
        raise ProfileError(f"{name} tests {shown(min(unknown))}, which no shape has")


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
