"""Fused attention where only batched products were read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from latmodel.errors import ProfileError
from latmodel.forest import Forest

if TYPE_CHECKING:
    from latmodel.operators import OperatorModel
    from latmodel.products import ProductModel

__all__ = ["ATTENTIONS", "with_fused_attention"]

ATTENTIONS = ("fused", "unfused")
"""How attention may run: as one kernel, or as product, softmax and product."""


def with_fused_attention(operators: OperatorModel, dtype: str) -> OperatorModel:
    """A model that knows fused attention, derived from its batched products.

    One launch, as of one product. The arithmetic of both products, by the same kernels and
    the same choice among them: the keys are reduced over twice, once for the scores and
    once for the values (`latmodel.shapes.product_of`). Queries, keys, values and outputs go
    through memory, the map of scores does not. The softmax's own arithmetic is left out;
    a reduction is not split; the correction, which learned from other products, is dropped,
    and the error doubled: a rule of thumb, as only readings could tell.

    Args:
        operators: the device.
        dtype: the number format.

    Raises:
        ProfileError: the model knows no bmm in this number format.
    """
    found = [part for part in operators.products if _knows_bmm(part, dtype)]
    if not found:
        raise ProfileError(
            f"fused attention in {dtype} can be derived from bmm alone, which the operator "
            "model does not know in it"
        )
    bmm = found[0]
    attention = replace(
        bmm,
        kinds=("attention",),
        dtypes=(dtype,),
        launch_ns=(bmm.launch_of("bmm"),),
        kernels=tuple(replace(k, splits=(1,), split_choice=None) for k in bmm.kernels),
        correction=Forest(()),
        relative_error=2.0 * bmm.relative_error,
    )
    return replace(operators, products=(*operators.products, attention))


def _knows_bmm(part: ProductModel, dtype: str) -> bool:
    return "bmm" in part.kinds and dtype in part.dtypes
