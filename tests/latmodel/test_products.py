"""Matrix products on paper: waves, memory, slow clocks, the kernel that runs."""

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
from latmodel.forest import UNIT, Forest
from latmodel.operator_kinds import checked_sizes
from latmodel.products import ProductModel
from latmodel.shapes import product_of, shape_features
from latmodel.slowdowns import Floats, Governor, Throttle
from latmodel.trees import Tree
from tests.latmodel.paper_parts import KERNEL, PRODUCT, SLOW_MEMORY, WIDE
from tests.latmodel.part_strategies import products
from tests.latmodel.yaml_files import through_a_file

TWO = replace(PRODUCT, kernels=(KERNEL, WIDE))


def busy(model: ProductModel, rows: Any, k: Any = 5, columns: Any = 8) -> Floats:
    sizes = checked_sizes("linear", {"rows": rows, "in_features": k, "out_features": columns})
    busy_ns, factor = model.busy_ns("linear", sizes, dtype=model.dtypes[0])
    return np.asarray(busy_ns * factor)


def features_of(model: ProductModel, rows: Any) -> dict[str, Floats]:
    sizes = checked_sizes("linear", {"rows": rows, "in_features": 5, "out_features": 8})
    return model.costs_of(product_of("linear", sizes)).features


def test_each_kind_has_its_launch() -> None:
    launches = [PRODUCT.launch_of(kind) for kind in ("linear", "bmm", "attention")]
    assert launches == [100.0, 200.0, 700.0]


@pytest.mark.parametrize(
    ("kind", "dims", "busy_ns"),
    [
        # 9 x 8 takes three tiles, two waves
        ("linear", {"rows": 9, "in_features": 5, "out_features": 8}, 2 * (10 + 3 * 5) + 2 * 5),
        # three products of one tile each take two waves
        ("bmm", {"batch": 3, "m": 4, "n": 8, "k": 5}, 2 * (10 + 3 * 5) + 2 * 5),
        # 2 heads of 5 queries are 4 blocks, 2 waves; scores and values of 6 keys
        (
            "attention",
            {"batch": 1, "heads": 2, "queries": 5, "keys": 6, "head_dim": 4},
            2 * (10 + 3 * 12) + 2 * 12,
        ),
    ],
)
def test_a_product_is_waves_and_the_first_chain(
    kind: str, dims: dict[str, int], busy_ns: float
) -> None:
    found, factor = PRODUCT.busy_ns(kind, checked_sizes(kind, dims), dtype="fp32")
    assert float(found) == pytest.approx(busy_ns)
    assert float(factor) == 1


def test_memory_and_compute_blend_as_fourth_powers() -> None:
    """1 x 8 from 5: 5 + 40 + 8 numbers, one ns each, beside 10 + 15 + 10 ns of compute."""
    assert float(busy(SLOW_MEMORY, 1)) == pytest.approx((53**4 + 35**4) ** 0.25)


def test_wider_numbers_take_longer_to_move() -> None:
    sizes = checked_sizes("linear", {"rows": 1, "in_features": 5, "out_features": 8})
    wide, _ = SLOW_MEMORY.busy_ns("linear", sizes, dtype="fp32")
    assert float(wide) == pytest.approx((106**4 + 35**4) ** 0.25)


def test_a_governor_slows_compute_and_not_memory() -> None:
    """35 ns at a ramp of 35 ns feel half of 2; memory has a clock of its own."""
    governed = replace(SLOW_MEMORY, governor=Governor(extra=2.0, ramp_ns=35.0))
    assert float(busy(governed, 1)) == pytest.approx((53**4 + 70**4) ** 0.25)


def test_a_throttle_slows_both_together() -> None:
    both_ns = (53**4 + 35**4) ** 0.25
    throttled = replace(SLOW_MEMORY, throttle=Throttle(extra=2.0, ramp_ns=both_ns))
    assert float(busy(throttled, 1)) == pytest.approx(2 * both_ns)


def test_merging_is_added_at_the_full_clock() -> None:
    """8 outputs in 2 shares of 5 elements each, at 1000 ns per thousand and share."""
    kernel = replace(KERNEL, splits=(2,), split_ns=1000.0)
    throttle = Throttle(extra=2.0, ramp_ns=35.0)
    model = replace(PRODUCT, kernels=(kernel,), throttle=throttle)
    assert float(busy(model, 1, k=10)) == pytest.approx(35 * 2 + 16)


def test_without_a_choice_the_fastest_kernel_runs() -> None:
    """Up to 8 rows 4 x 8 takes one wave, then two at 25 ns, where 8 x 8 takes one at 45."""
    busy_ns, features = busy(TWO, [8, 9, 16, 17]), features_of(TWO, [8, 9, 16, 17])
    assert busy_ns == pytest.approx([35, 55, 55, 85])
    assert features["kernel"].tolist() == [0, 1, 1, 0]


def test_a_choice_decides_whatever_is_fastest() -> None:
    chosen = replace(TWO, choice=Tree.parse("rows<=8 1 0"))
    assert busy(chosen, [8, 9, 16, 17]) == pytest.approx([55, 60, 60, 85])
    assert busy(replace(TWO, choice=Tree.parse("1")), [8, 17]) == pytest.approx([55, 100])


def test_without_a_choice_the_cheapest_split_is_taken() -> None:
    """64 elements: whole 10 + 5 * 64; halves 10 + 5 * 32 and 16 to merge; thirds three."""
    kernel = replace(KERNEL, splits=(1, 2, 3), split_ns=1000.0)
    model = replace(PRODUCT, kernels=(kernel,))
    assert float(busy(model, 1, k=64)) == pytest.approx(10 + 5 * 32 + 16)
    told = replace(kernel, split_choice=Tree.parse("red<=63 2 1"))
    assert busy(replace(model, kernels=(told,)), 1, k=[63, 64]) == pytest.approx(
        [10 + 5 * 32 + 16, 10 + 5 * 64]
    )


def test_the_features_of_the_correction_by_hand() -> None:
    """9 rows: 4 x 8 takes 60 ns, 8 x 8 55; 45 + 40 + 72 numbers of 4 bytes at 8 GB/s."""
    slow = replace(TWO, bandwidth_gb_s=8e6)
    product = product_of(
        "linear", checked_sizes("linear", {"rows": 9, "in_features": 5, "out_features": 8})
    )
    costs = slow.costs_of(product)
    shape = shape_features(product, sms=2, tiles=[(4, 8), (8, 8)])
    assert set(costs.features) == {*shape, "kernel", "busy", "memory/busy", "t0", "t1"}
    assert float(costs.features["busy"]) == float(costs.busy_ns) == pytest.approx(55)
    assert float(costs.features["kernel"]) == 1
    assert float(costs.features["t0"]) == pytest.approx(60 / 55)
    assert float(costs.features["t1"]) == 1
    assert float(costs.features["memory/busy"]) == pytest.approx(157 * 4 / 8e6 / 55)
    assert float(slow.costs_of(product, width=2).features["memory/busy"]) == pytest.approx(
        157 * 2 / 8e6 / 55
    )


@pytest.mark.parametrize(
    "feature", ["rows", "n4x8", "pad8x8", "kernel", "busy", "memory/busy", "t0", "t1"]
)
def test_a_correction_may_test_any_feature(feature: str) -> None:
    """The answers are logs of the factor, at either side of a threshold."""
    at = float(features_of(TWO, 9)[feature])
    sizes = checked_sizes("linear", {"rows": 9, "in_features": 5, "out_features": 8})
    for threshold, answer in ((np.nextafter(at, -1), -300), (at, 500)):
        line = f"{feature}<={float(threshold)!r} 500 -300"
        corrected = replace(TWO, correction=Forest.parse([line]))
        _, factor = corrected.busy_ns("linear", sizes, dtype="fp32")
        assert float(factor) == pytest.approx(math.exp(answer * UNIT))


@given(
    model=products(),
    rows=st.lists(st.integers(1, 4096), min_size=1, max_size=5),
    kind=st.sampled_from(("linear", "bmm", "attention")),
)
def test_arrays_are_answered_as_their_elements(
    model: ProductModel, rows: list[int], kind: str
) -> None:
    """Whatever the trees test, one number or many."""
    first = {"linear": "rows", "bmm": "m", "attention": "queries"}[kind]
    others = {
        "linear": {"in_features": 64, "out_features": 96},
        "bmm": {"batch": 2, "n": 16, "k": 64},
        "attention": {"batch": 2, "heads": 3, "keys": 50, "head_dim": 64},
    }[kind]
    dtype = model.dtypes[0]
    sizes = checked_sizes(kind, {**others, first: rows})
    together = np.stack(model.busy_ns(kind, sizes, dtype=dtype), axis=1)
    for count, found in zip(rows, together, strict=True):
        alone = model.busy_ns(kind, checked_sizes(kind, {**others, first: count}), dtype=dtype)
        assert [value.shape for value in alone] == [(), ()]
        assert found == pytest.approx(np.array(alone), rel=1e-12)


@settings(max_examples=40)
@given(model=products())
def test_a_model_comes_back_from_a_file_bit_for_bit(model: ProductModel) -> None:
    assert ProductModel.from_fields(through_a_file(model.to_dict())) == model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kinds": ("add",), "launch_ns": (1.0,)},
            "kinds are add: must be among linear, bmm, attention",
        ),
        (
            {"kinds": (), "launch_ns": ()},
            "kinds are none: must be among linear, bmm, attention",
        ),
        ({"dtypes": ("int8",)}, "dtype is 'int8': must be one of fp32, fp16, bf16"),
        ({"dtypes": ()}, "dtypes is empty: name at least one number format"),
        ({"sms": 0}, "sms is 0: must be 1 or more"),
        ({"bandwidth_gb_s": 0.0}, "bandwidth_gb_s is 0.0: must be finite and above 0"),
        ({"bandwidth_gb_s": math.nan}, "bandwidth_gb_s is nan: must be finite and above 0"),
        ({"bandwidth_gb_s": math.inf}, "bandwidth_gb_s is inf: must be finite and above 0"),
        ({"launch_ns": (1.0,)}, "launch_ns holds 1 numbers: must hold one per kind, 3"),
        (
            {"launch_ns": (1.0, -1.0, 1.0)},
            "launch_ns.bmm is -1.0: must be finite and 0 or more",
        ),
        (
            {"relative_error": math.nan},
            "relative_error is nan: must be finite and 0 or more",
        ),
        ({"kernels": ()}, "kernels is empty: a product model needs at least one"),
        (
            {"choice": Tree.parse("rows<=4 0 2"), "kernels": (KERNEL, WIDE)},
            "choice answers a kernel that is not among 0 to 1",
        ),
        (
            {"choice": Tree.parse("rows<=4 0 0.5"), "kernels": (KERNEL, WIDE)},
            "choice answers a kernel that is not among 0 to 1",
        ),
        ({"choice": Tree.parse("-1")}, "choice answers a kernel that is not among 0 to 0"),
        (
            {"choice": Tree.parse("depth<=4 0 0")},
            "choice tests 'depth', which no shape has",
        ),
        (  # known only once a kernel has been chosen
            {"choice": Tree.parse("busy<=4 0 0")},
            "choice tests 'busy', which no shape has",
        ),
        (
            {"kernels": (KERNEL, replace(KERNEL, split_choice=Tree.parse("n8x8<=1 1 1")))},
            "kernels[1].split_choice tests 'n8x8', which no shape has",
        ),
        (
            {"correction": Forest.parse(["1", "t1<=1 2 3"])},
            "correction tests 't1', which no shape has",
        ),
    ],
)
def test_a_parameter_out_of_range_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        replace(PRODUCT, **change)
    assert str(caught.value) == message


FULL = " ".join(f"rows<={n} {n}" for n in range(32)) + " 0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kinds": ["gelu"] * 3},
            "products[0].kinds are gelu, gelu, gelu: must be among linear, bmm, attention",
        ),
        (
            {"sms": 2.5},
            "products[0].sms: found a number 2.5, allowed is an integer of 1 or more",
        ),
        (
            {"bandwidth_gb_s": 0},
            "products[0].bandwidth_gb_s is 0.0: must be finite and above 0",
        ),
        (
            {"launch_ns": [1.0, -1.0, 1.0]},
            (
                "products[0].launch_ns.1: found a number -1.0, allowed is a finite number of 0 "
                "or more"
            ),
        ),
        (
            {"kernels": [{"name": "4x8"}]},
            "products[0].kernels[0].tile_rows: missing",
        ),
        (
            {"kernels": []},
            "products[0].kernels is empty: a product model needs at least one",
        ),
        ({"choice": "7"}, "products[0].choice answers a kernel that is not among 0 to 0"),
        (
            {"choice": "rows<=1 0"},
            "products[0].choice: the tree is cut short: a branch is missing",
        ),
        (
            {"choice": 0},
            "products[0].choice: found an integer 0, allowed is text that is not empty",
        ),
        ({"choice": "depth<=1 0 0"}, "products[0].choice tests 'depth', which no shape has"),
        (
            {"correction": ["1", "0 1"]},
            "products[0].correction: tree 1: the tree ends after 1 of 2 words",
        ),
        (
            {"correction": [FULL]},
            "products[0].correction: tree 0 has 33 leaves: at most 32 are read",
        ),
        (
            {"correction": ["1"] * 2001},
            "products[0].correction: 2001 trees: at most 2000 are read",
        ),
        (
            {"correction": ["depth<=1 0 0"]},
            "products[0].correction tests 'depth', which no shape has",
        ),
        (
            {"governor": {"extra": 1.0, "ramp_ns": 0.0}},
            "products[0].governor.ramp_ns: found a number 0.0, allowed is a number above 0",
        ),
        ({"throttle": {"extra": 1.0}}, "products[0].throttle.ramp_ns: missing"),
        (
            {"fitted": {"rows": [9, 3]}},
            "products[0].fitted.rows: found [9, 3], allowed are two "
            "integers that ascend from 1",
        ),
        (
            {"peak": 3},
            "products[0].peak: unknown key; known here are kinds, dtypes, sms, "
            "bandwidth_gb_s, launch_ns, kernels, choice, governor, throttle, relative_error, "
            "fitted, correction",
        ),
    ],
)
def test_a_file_out_of_range_is_refused_by_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        ProductModel.from_fields(Fields(PRODUCT.to_dict() | change, "products[0]"))
    assert str(caught.value) == message
