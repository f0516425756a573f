"""The ranges of readings, per kind of operator, written into an operator model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latmodel.operator_kinds import STREAMS, Operator, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from latmodel.operators import OperatorModel
    from latmodel.products import ProductModel

__all__ = ["ranged", "with_error"]

_LINEAR = {"rows": "rows", "reduction": "in_features", "columns": "out_features"}
_INSIDE = {"attention": ("queries", "keys", "head_dim"), "bmm": ("m", "n", "k")}


def ranged(model: OperatorModel, operators: Iterable[Operator]) -> OperatorModel:
    """The model with the ranges of the operators that were read.

    Linears get a part of their own: attention, and the products it is made of, were read
    over other sizes.
    """
    read = list(operators)
    streams = spans(read, tuple(STREAMS), rows="rows", width="width")
    return replace(
        model,
        products=tuple(each for part in model.products for each in _apart(part, read)),
        streams=tuple(replace(part, fitted=streams) for part in model.streams),
    )


def with_error(model: OperatorModel, relative_error: float) -> OperatorModel:
    """The model with one error for all its parts."""
    return replace(
        model,
        products=tuple(replace(p, relative_error=relative_error) for p in model.products),
        streams=tuple(replace(p, relative_error=relative_error) for p in model.streams),
    )


def spans(
    operators: Sequence[Operator], kinds: tuple[str, ...], **names: str
) -> tuple[Span, ...]:
    """The least and the greatest of each dimension; `names` say what a part calls it."""
    found = []
    for name, dimension in names.items():
        sizes = [int(np.max(o.dims[dimension])) for o in operators if o.kind in kinds]
        found.append(Span(name, min(sizes), max(sizes)))
    return tuple(found)


def _apart(part: ProductModel, read: Sequence[Operator]) -> Iterator[ProductModel]:
    inside = [size for o in read if o.kind in _INSIDE for size in _sizes(o)]
    within = tuple(
        Span(name, min(inside), max(inside)) for name in ("rows", "reduction", "columns")
    )
    for kinds, fitted in (
        (("linear",), spans(read, ("linear",), **_LINEAR)),
        (("bmm", "attention"), within),
    ):
        own = tuple(kind for kind in part.kinds if kind in kinds)
        if own:
            launches = tuple(part.launch_of(kind) for kind in own)
            yield replace(part, kinds=own, launch_ns=launches, fitted=fitted)


def _sizes(operator: Operator) -> tuple[int, ...]:
    """Rows, columns and reductions of attention's products, which take turns."""
    return tuple(int(np.max(operator.dims[name])) for name in _INSIDE[operator.kind])
