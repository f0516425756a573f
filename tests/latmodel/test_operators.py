"""The operator model: each question goes to one part, and says how sure its answer is."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.forest import Forest
from latmodel.operator_kinds import DIMS, Span
from latmodel.operators import OperatorModel
from tests.latmodel.paper_parts import MODEL, PRODUCT, SLOW_MEMORY, STREAM
from tests.latmodel.part_strategies import operator_models
from tests.latmodel.yaml_files import through_a_file

LAUNCHES = {
    "linear": 100.0,
    "bmm": 200.0,
    "softmax": 300.0,
    "norm": 400.0,
    "gelu": 500.0,
    "add": 600.0,
    "attention": 700.0,
}
SIZES: dict[str, dict[str, Any]] = {kind: dict.fromkeys(DIMS[kind], 5) for kind in DIMS}


def linear(rows: Any, k: Any = 5, columns: Any = 8) -> dict[str, Any]:
    return {"rows": rows, "in_features": k, "out_features": columns}


@pytest.mark.parametrize("kind", sorted(DIMS))
@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_every_kind_answers_in_every_format(kind: str, dtype: str) -> None:
    cost = MODEL.cost(kind, SIZES[kind], dtype=dtype)
    assert float(cost.launch_ns) == LAUNCHES[kind] == MODEL.launch_of(kind, dtype=dtype)
    assert cost.busy_ns > 0
    assert MODEL.knows(kind, dtype)
    assert not MODEL.knows(kind, "bf16")


def test_latency_is_launch_and_busy() -> None:
    """9 x 8 takes three tiles, two waves: 100 + 2 * (10 + 3 * 5) + 2 * 5."""
    assert float(MODEL.latency_ns("linear", **linear(9))) == pytest.approx(160)
    assert float(MODEL.latency_ns("add", dtype="fp16", rows=3, width=7)) == 600 + 3 * 21


def test_a_correction_scales_launch_and_busy_alike() -> None:
    """An eighth more for up to 4 rows, a tenth less for more."""
    corrected = replace(PRODUCT, correction=Forest.parse(["rows<=4 1178 -1054"]))
    model = replace(MODEL, products=(corrected, SLOW_MEMORY))
    cost = model.cost("linear", linear([4, 9]))
    assert cost.launch_ns == pytest.approx([112.5, 90], abs=0.01)
    assert cost.busy_ns == pytest.approx([35 * 1.125, 60 * 0.9], abs=0.01)
    assert cost.latency_ns == pytest.approx([135 * 1.125, 160 * 0.9], abs=0.02)


def test_inside_the_readings_the_stated_error_holds() -> None:
    """At either end of the ranges too: 1 to 64 rows of 8 to 512, 8 to 16 columns."""
    cost = MODEL.cost("linear", linear([1, 9, 64], k=[8, 512, 512], columns=[16, 8, 8]))
    assert cost.beyond.tolist() == [0, 0, 0]
    assert cost.relative_error.tolist() == [0.1, 0.1, 0.1]


def test_outside_the_readings_the_error_grows_with_the_worst_dimension() -> None:
    """Twice the rows; half the reduction; both, and e times the columns."""
    columns = np.array([8, 8, 16 * math.e])
    cost = MODEL.cost("linear", linear([128, 9, 128], k=[8, 4, 4], columns=columns))
    expected = [math.log(2), math.log(2), 1]
    assert cost.beyond == pytest.approx(expected)
    assert cost.relative_error == pytest.approx([0.1 * (1 + beyond) for beyond in expected])


@pytest.mark.parametrize(
    ("kind", "spans"),
    [
        (
            "linear",
            (Span("rows", 1, 64), Span("in_features", 8, 512), Span("out_features", 8, 16)),
        ),
        ("bmm", (Span("m", 1, 64), Span("k", 8, 512), Span("n", 8, 16))),
        (
            "attention",
            (Span("queries", 1, 64), Span("keys", 8, 512), Span("head_dim", 8, 16)),
        ),
        ("gelu", (Span("rows", 1, 64), Span("width", 2, 32))),
    ],
)
def test_ranges_go_by_the_names_of_the_kind(kind: str, spans: tuple[Span, ...]) -> None:
    """And each is felt: twice its greatest is the log of two beyond."""
    assert MODEL.fitted(kind) == spans
    inside = dict.fromkeys(DIMS[kind], 8)
    assert float(MODEL.cost(kind, inside).beyond) == 0
    for span in spans:
        beyond = MODEL.cost(kind, inside | {span.name: 2 * span.high}).beyond
        assert float(beyond) == pytest.approx(math.log(2))


def test_a_range_that_a_kind_has_no_name_for_is_not_its_own() -> None:
    """A part of several kinds may name a dimension that one of them lacks."""
    product = replace(PRODUCT, fitted=(Span("depth", 1, 2), Span("rows", 1, 4)))
    model = replace(MODEL, products=(product, SLOW_MEMORY))
    assert model.fitted("linear") == (Span("rows", 1, 4),)
    assert float(model.cost("linear", linear(4)).beyond) == 0


def test_arrays_broadcast_and_scalars_give_an_array() -> None:
    rows = np.array([[1], [4], [200]])
    together = MODEL.cost("linear", linear(rows, columns=[8, 9]))
    for values in together:
        assert values.shape == (3, 2)
    alone = [
        [float(MODEL.latency_ns("linear", **linear(count, columns=c))) for c in (8, 9)]
        for count in (1, 4, 200)
    ]
    assert together.latency_ns.tolist() == alone
    for kind in ("add", "linear"):
        cost = MODEL.cost(kind, SIZES[kind])
        assert all(isinstance(values, np.ndarray) for values in (*cost, cost.latency_ns))


@settings(max_examples=30)
@given(model=operator_models(), kind=st.sampled_from(sorted(DIMS)), size=st.integers(1, 4096))
def test_launch_and_busy_and_error_have_the_shape_asked_for(
    model: OperatorModel, kind: str, size: int
) -> None:
    """Whatever trees, governors and ranges take part."""
    for dtype in model.dtypes:
        if not model.knows(kind, dtype):
            continue
        first, *others = DIMS[kind]
        sizes: dict[str, Any] = dict.fromkeys(others, size)
        for shape in ((), (1,), (3, 2)):
            cost = model.cost(kind, sizes | {first: np.full(shape, 7.0)}, dtype=dtype)
            assert [values.shape for values in (*cost, cost.latency_ns)] == [shape] * 5


def test_the_formats_of_a_model_are_those_of_its_linears() -> None:
    bmm = replace(PRODUCT, kinds=("bmm",), launch_ns=(1.0,), dtypes=("bf16",))
    assert replace(MODEL, products=(*MODEL.products, bmm)).dtypes == ("fp32", "fp16")


@settings(max_examples=30)
@given(model=operator_models())
def test_a_model_comes_back_from_a_file_bit_for_bit(model: OperatorModel) -> None:
    assert OperatorModel.from_fields(through_a_file(model.to_dict())) == model


def test_a_file_need_not_name_the_mode() -> None:
    values = MODEL.to_dict()
    del values["mode"]
    assert OperatorModel.from_fields(Fields(values)) == MODEL


@pytest.mark.parametrize(
    ("kind", "dtype", "dims", "message"),
    [
        (
            "conv",
            "fp32",
            {},
            "operator kind is 'conv': must be one of linear, bmm, softmax, norm, gelu, add, "
            "attention",
        ),
        ("add", "fp32", {"rows": 1}, "add was given rows: must be given rows, width"),
        (
            "add",
            "bf16",
            {"rows": 1, "width": 1},
            "dtype is 'bf16': the operator model knows fp32, fp16 for add",
        ),
        (
            "add",
            "fp32",
            {"rows": [3, 0], "width": 1},
            "add: rows holds a number that is not positive and finite",
        ),
    ],
)
def test_a_wrong_question_is_refused(
    kind: str, dtype: str, dims: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProfileError) as caught:
        MODEL.latency_ns(kind, dtype=dtype, **dims)
    assert str(caught.value) == message


def test_a_kind_that_the_model_lacks_is_refused() -> None:
    fused = replace(PRODUCT, kinds=("attention",), launch_ns=(1.0,))
    model = OperatorModel(products=(fused,), streams=(STREAM,))
    known = "attention, softmax, norm, gelu, add"
    for ask in (
        lambda: model.cost("bmm", SIZES["bmm"]),
        lambda: model.launch_of("bmm"),
        lambda: model.fitted("bmm"),
    ):
        with pytest.raises(ProfileError) as caught:
            ask()
        assert str(caught.value) == (
            f"operator kind is 'bmm': the operator model knows {known}"
        )
    assert not model.knows("bmm", "fp32")
    assert model.dtypes == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "lazy"}, "mode is 'lazy': must be one of eager, graph, sum"),
        ({"gap_ns": -1.0}, "gap_ns is -1.0: must be finite and 0 or more"),
        ({"dispatch_ns": math.inf}, "dispatch_ns is inf: must be finite and 0 or more"),
        ({"patch_factor": math.nan}, "patch_factor is nan: must be finite and 0 or more"),
        ({"products": ()}, "products and streams must each hold at least one model"),
        ({"streams": ()}, "products and streams must each hold at least one model"),
        (
            {"products": (PRODUCT, SLOW_MEMORY, replace(SLOW_MEMORY, dtypes=("fp32",)))},
            "linear in fp32 has two models: allowed is one",
        ),
        (
            {"streams": (STREAM, replace(STREAM, kinds=("add",), launch_ns=(1.0,)))},
            "add in fp32 has two models: allowed is one",
        ),
        (
            {"streams": (replace(STREAM, dtypes=("fp16", "fp16")),)},
            "softmax in fp16 has two models: allowed is one",
        ),
    ],
)
def test_a_parameter_out_of_range_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        replace(MODEL, **change)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("products", 0, "kernels", 0, "element_ns"),
            math.nan,
            "operators.products[0].kernels[0].element_ns: found a number nan, allowed is a "
            "finite number of 0 or more",
        ),
        (
            ("products", 1, "choice"),
            "depth<=1 0 0",
            "operators.products[1].choice tests 'depth', which no shape has",
        ),
        (
            ("streams", 0, "correction"),
            ["rows<=1 2"],
            "operators.streams[0].correction: tree 0: the tree is cut short: a branch is "
            "missing",
        ),
        (
            ("streams",),
            [],
            "operators.products and streams must each hold at least one model",
        ),
        (
            ("mode",),
            "lazy",
            "operators.mode: found text 'lazy', allowed is one of eager, graph, sum",
        ),
        (
            ("gap_ns",),
            -1,
            "operators.gap_ns: found an integer -1, allowed is a finite number of 0 or more",
        ),
        (
            ("sms",),
            4,
            "operators.sms: unknown key; known here are mode, gap_ns, dispatch_ns, "
            "patch_factor, products, streams",
        ),
    ],
)
def test_a_file_out_of_range_is_refused_by_path(
    path: tuple[str | int, ...], value: object, message: str
) -> None:
    mapping: Any = MODEL.to_dict()
    holder = mapping
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(FieldError) as caught:
        OperatorModel.from_fields(Fields(mapping, "operators"))
    assert str(caught.value) == message
