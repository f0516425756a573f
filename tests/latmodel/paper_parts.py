"""A made-up device whose operators cost what fits on paper."""

from __future__ import annotations

from dataclasses import replace

from latmodel.kernels import Kernel
from latmodel.operator_kinds import STREAMS, Span
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.streams import StreamModel

__all__ = ["KERNEL", "MODEL", "PRODUCT", "SLOW_MEMORY", "STREAM", "WIDE"]

KERNEL = Kernel(
    name="4x8",
    tile_rows=4,
    tile_columns=8,
    wave_ns=10.0,
    element_ns=3.0,
    first_element_ns=2.0,
)
"""Tiles of 4 x 8, 10 ns a wave and 3 ns per element in it, 2 ns per element once."""

WIDE = replace(KERNEL, name="8x8", tile_rows=8, wave_ns=30.0)
"""Tiles of twice the rows, 20 ns more a wave."""

PRODUCT = ProductModel(
    kinds=("linear", "bmm", "attention"),
    dtypes=("fp32",),
    sms=2,
    bandwidth_gb_s=1e9,
    launch_ns=(100.0, 200.0, 700.0),
    kernels=(KERNEL,),
    relative_error=0.1,
    fitted=(Span("rows", 1, 64), Span("reduction", 8, 512), Span("columns", 8, 16)),
)
"""Two multiprocessors; memory so fast that it never shows; every launch another number."""

SLOW_MEMORY = replace(PRODUCT, dtypes=("fp16",), bandwidth_gb_s=2.0)
"""Two bytes a number at 2 GB/s: one ns per number."""

STREAM = StreamModel(
    kinds=tuple(STREAMS),
    dtypes=("fp32", "fp16"),
    sms=2,
    bandwidth_gb_s=2.0,
    launch_ns=(300.0, 400.0, 500.0, 600.0),
    relative_error=0.02,
    fitted=(Span("rows", 1, 64), Span("width", 2, 32)),
)
"""Softmax, norm, gelu and add; in fp16 one ns per number and pass."""

MODEL = OperatorModel(products=(PRODUCT, SLOW_MEMORY), streams=(STREAM,))
