"""What is asked of an operator model outside the readings that it was fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from latmodel.operator_kinds import Operator, Span
    from latmodel.operators import OperatorModel

__all__ = ["Outside", "outside"]

_ROWS = ("rows", "m", "queries")
"""Dimensions that may be few: the head sees one row per image."""


class Outside(NamedTuple):
    """One dimension of one kind of operator, outside what was read.

    Attributes:
        kind: of operator.
        dimension: one of its own.
        asked: the least and the greatest value.
        read: likewise, of the readings.
    """

    kind: str
    dimension: str
    asked: tuple[int, int]
    read: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.kind} {self.dimension} {_span(*self.asked)} (read {_span(*self.read)})"


def outside(
    model: OperatorModel,
    operators: Iterable[Operator],
    *,
    dtype: str,
    few_allowed: bool,
) -> tuple[Outside, ...]:
    """Every dimension that is asked outside the readings, once for each kind.

    Args:
        model: the device; it knows every kind in this number format.
        operators: with all their shapes.
        dtype: the number format.
        few_allowed: whether the smaller shapes of an operator, and few rows, are left out.
            Every table begins at one token; its error says what was not read there.
    """
    found: dict[tuple[str, str], Outside] = {}
    for each in _each(model, operators, dtype):
        if each.asked[1] <= each.read[1] and not _below(each, few_allowed=few_allowed):
            continue
        key = (each.kind, each.dimension)
        before = found.get(key, each).asked
        asked = (min(before[0], each.asked[0]), max(before[1], each.asked[1]))
        found[key] = each._replace(asked=asked)
    return tuple(found.values())


def _each(model: OperatorModel, operators: Iterable[Operator], dtype: str) -> Iterator[Outside]:
    spans: dict[str, tuple[Span, ...]] = {}
    for operator in operators:
        kind = operator.kind
        if kind not in spans:
            spans[kind] = model.fitted(kind, dtype=dtype)
        for span in spans[kind]:
            asked = np.asarray(operator.dims[span.name])
            ends = (int(asked.min()), int(asked.max()))
            yield Outside(kind, span.name, ends, (span.low, span.high))


def _below(each: Outside, *, few_allowed: bool) -> bool:
    if few_allowed:
        return each.dimension not in _ROWS and each.asked[1] < each.read[0]
    return each.asked[0] < each.read[0]


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
