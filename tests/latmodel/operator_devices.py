"""Made-up devices whose operators cost what fits on paper."""

from __future__ import annotations

from dataclasses import replace

from latmodel.forest import Forest
from latmodel.kernels import Kernel
from latmodel.operator_kinds import Span
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.streams import StreamModel
from latmodel.workload import Workload

__all__ = ["FUSED", "SMALL", "UNFUSED", "with_launches"]

SMALL = Workload(
    model="small",
    depth=3,
    dim=96,
    heads=4,
    head_dim=16,
    mlp_width=256,
    tokens=26,
    prefix=1,
    patch_inputs=48,
    classes=10,
)

_KERNEL = Kernel(
    name="16x32",
    tile_rows=16,
    tile_columns=32,
    blocks_per_sm=2,
    wave_ns=700.0,
    element_ns=11.0,
    first_element_ns=5.0,
)


def _product(kind: str, launch_ns: float, relative_error: float, *spans: Span) -> ProductModel:
    return ProductModel(
        kinds=(kind,),
        dtypes=("fp32", "fp16"),
        sms=4,
        bandwidth_gb_s=60.0,
        launch_ns=(launch_ns,),
        kernels=(_KERNEL,),
        relative_error=relative_error,
        fitted=spans,
    )


_STREAMS = StreamModel(
    kinds=("softmax", "norm", "gelu", "add"),
    dtypes=("fp32", "fp16"),
    sms=4,
    bandwidth_gb_s=50.0,
    launch_ns=(7000.0, 6000.0, 5000.0, 4000.0),
    # Of few rows an eighth more, of many a tenth less.
    correction=Forest.parse(["rows<=9 1178 -1054"]),
    relative_error=0.02,
    fitted=(Span("rows", 1, 4000), Span("width", 1, 4000)),
)

UNFUSED = OperatorModel(
    products=(
        _product("linear", 9000.0, 0.1, Span("rows", 8, 32), Span("reduction", 64, 256)),
        _product("bmm", 8000.0, 0.2),
    ),
    streams=(_STREAMS,),
    gap_ns=1500.0,
    patch_factor=2.5,
)
"""Linears, batched products and streams; the linears' readings have 8 to 32 rows."""

FUSED = replace(
    UNFUSED, products=(*UNFUSED.products, _product("attention", 3000.0, 0.3)), gap_ns=500.0
)
"""The same with a fused kernel for attention, and a shorter gap."""


def with_launches(
    model: OperatorModel, launch_ns: float, *, dispatch_ns: float = 0.0
) -> OperatorModel:
    """A model whose every kind has the same launch."""
    return replace(
        model,
        products=tuple(replace(part, launch_ns=(launch_ns,)) for part in model.products),
        streams=tuple(
            replace(part, launch_ns=(launch_ns,) * len(part.kinds)) for part in model.streams
        ),
        dispatch_ns=dispatch_ns,
    )
