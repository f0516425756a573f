from __future__ import annotations

from dataclasses import replace

import pytest

from latmodel.errors import ProfileError
from latmodel.forest import Forest
from latmodel.kernels import Kernel
from latmodel.operator_kinds import STREAMS, Span
from latmodel.operators import OperatorModel
from latmodel.part_deriving import (
    BMM_ERROR,
    SHARES,
    STREAM_ERROR,
    completed,
    derived_bmm,
    derived_stream,
)
from latmodel.products import ProductModel
from latmodel.trees import Tree

LINEAR = ProductModel(
    kinds=("linear",),
    dtypes=("fp32",),
    sms=4,
    bandwidth_gb_s=90.0,
    launch_ns=(3000.0,),
    kernels=(
        Kernel(
            name="a",
            tile_rows=64,
            tile_columns=64,
            element_ns=2.0,
            splits=(1, 4),
            split_choice=Tree.parse("rows<=64 4 1"),
        ),
        Kernel(name="b", tile_rows=32, tile_columns=32, element_ns=1.0),
    ),
    choice=Tree.parse("rows<=64 0 1"),
    correction=Forest.parse(["rows<=64 100 -100"]),
    relative_error=0.05,
    fitted=(Span("rows", 1, 100),),
)
GELU = derived_stream("gelu", dtype="fp32", sms=4, bandwidth_gb_s=50.0, launch_ns=1.0)


def test_a_linear_is_enough_for_whole_models() -> None:
    parts = completed([LINEAR], sms=4, bandwidth_gb_s=100.0)
    model = OperatorModel(products=parts.products, streams=parts.streams)
    assert model.products[0] is LINEAR
    assert all(model.knows(kind, "fp32") for kind in ("linear", "bmm", *STREAMS))
    assert [part.bandwidth_gb_s for part in parts.streams] == [
        pytest.approx(100.0 * SHARES[kind]) for kind in STREAMS
    ]
    assert {part.launch_ns for part in parts.streams} == {(3000.0,)}


def test_what_was_timed_stays_and_each_dtype_is_completed_by_its_own_linear() -> None:
    half = replace(LINEAR, dtypes=("fp16",), launch_ns=(7.0,))
    parts = completed([LINEAR, GELU, half], sms=4, bandwidth_gb_s=100.0)
    assert [(part.kinds, part.dtypes) for part in parts.products] == [
        (("linear",), ("fp32",)),
        (("linear",), ("fp16",)),
        (("bmm",), ("fp32",)),
        (("bmm",), ("fp16",)),
    ]
    assert parts.streams[0] is GELU
    assert [(*part.kinds, *part.dtypes, *part.launch_ns) for part in parts.streams[1:]] == [
        *((kind, "fp32", 3000.0) for kind in ("softmax", "norm", "add")),
        *((kind, "fp16", 7.0) for kind in STREAMS),
    ]


def test_a_dtype_without_linears_is_refused() -> None:
    half = replace(GELU, dtypes=("fp16",))
    with pytest.raises(ProfileError) as caught:
        completed([LINEAR, half], sms=4, bandwidth_gb_s=100.0)
    assert str(caught.value) == (
        "no linear was timed in fp16: its timings are the least that a number format needs; "
        "add rows of kind linear"
    )


def test_a_derived_bmm_takes_the_fastest_kernel_and_says_how_little_it_knows() -> None:
    """By hand: 8 products of 32 x 32 by 10. Kernel a: 2 waves of 20 ns; b: 2 of 10."""
    bmm = derived_bmm(LINEAR)
    model = OperatorModel(products=(bmm,), streams=(GELU,))
    cost = model.cost("bmm", {"batch": 8, "m": 32, "n": 32, "k": 10})
    memory_ns = 8 * (320 + 320 + 1024) * 4 / 90.0
    assert float(cost.busy_ns) == pytest.approx((20.0**4 + memory_ns**4) ** 0.25)
    assert float(cost.launch_ns) == 3000.0
    assert bmm.relative_error == BMM_ERROR
    assert bmm.fitted == LINEAR.fitted
    worse = derived_bmm(replace(LINEAR, relative_error=0.9))
    assert worse.relative_error == 0.9


@pytest.mark.parametrize("kind", STREAMS)
def test_a_derived_stream_by_hand(kind: str) -> None:
    """1000 rows of 50 halves, two or three tensors of them, at a share of 100 bytes per ns."""
    stream = derived_stream(kind, dtype="fp16", sms=4, bandwidth_gb_s=100.0, launch_ns=9.0)
    model = OperatorModel(products=(LINEAR,), streams=(stream,))
    cost = model.cost(kind, {"rows": 1000, "width": 50}, dtype="fp16")
    assert float(cost.busy_ns) == pytest.approx(STREAMS[kind] * 1000.0 / SHARES[kind])
    assert (float(cost.launch_ns), float(cost.relative_error)) == (9.0, STREAM_ERROR)
