from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latmodel.errors import ProfileError
from latmodel.forest import Forest
from latmodel.fused_attention import with_fused_attention
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from tests.latmodel.operator_devices import FUSED, UNFUSED

DIMS = {"batch": 2, "heads": 3, "queries": 64, "keys": 64, "head_dim": 32}
ANY = np.arange(1, 300)


def attention(model: OperatorModel, **dims: object) -> float:
    return float(model.cost("attention", {**DIMS, **dims}, dtype="fp16").busy_ns)  # type: ignore[dict-item]


def bmm(model: OperatorModel, m: int, n: int, k: int) -> float:
    return float(model.cost("bmm", {"batch": 6, "m": m, "n": n, "k": k}).busy_ns)


def test_it_costs_one_launch_and_both_products() -> None:
    """Memory aside, tiles of whole waves: 24 blocks of 16 x 32 on 4 x 2 are 3 waves."""
    fast = replace(UNFUSED, products=tuple(_fast(part) for part in UNFUSED.products))
    derived = with_fused_attention(fast, "fp16")
    assert derived.launch_of("attention", dtype="fp16") == 8000
    assert attention(derived) == pytest.approx(3 * (700 + 11 * 2 * 64) + 5 * 2 * 64, rel=1e-6)


def _fast(part: ProductModel) -> ProductModel:
    return replace(part, bandwidth_gb_s=1e9)


def test_no_map_of_scores_goes_through_memory() -> None:
    """On a device that is nothing but memory: queries, keys, values and outputs."""
    slow = replace(
        UNFUSED, products=tuple(replace(part, bandwidth_gb_s=1e-3) for part in UNFUSED.products)
    )
    derived = with_fused_attention(slow, "fp16")
    assert attention(derived) == pytest.approx(4 * 6 * 64 * 32 * 2 / 1e-3, rel=1e-6)


def test_it_is_less_than_the_three_operators_it_stands_for() -> None:
    derived = with_fused_attention(UNFUSED, "fp32")
    fused = derived.cost(
        "attention", {"batch": 6, "heads": 1, "queries": ANY, "keys": ANY, "head_dim": 32}
    ).latency_ns
    scores = derived.cost("bmm", {"batch": 6, "m": ANY, "n": ANY, "k": 32}).latency_ns
    values = derived.cost("bmm", {"batch": 6, "m": ANY, "n": 32, "k": ANY}).latency_ns
    softmax = derived.cost("softmax", {"rows": 6 * ANY, "width": ANY}).latency_ns
    assert np.all(fused < scores + softmax + values)
    assert np.all(
        fused > derived.cost("bmm", {"batch": 6, "m": ANY, "n": 32, "k": ANY}).busy_ns
    )


def test_its_error_is_twice_that_of_the_products() -> None:
    derived = with_fused_attention(UNFUSED, "fp32")
    assert derived.cost("attention", DIMS).relative_error == pytest.approx(0.4)


def test_only_the_dtype_asked_for_is_added() -> None:
    derived = with_fused_attention(UNFUSED, "fp32")
    assert derived.knows("attention", "fp32")
    assert not derived.knows("attention", "fp16")
    assert derived.products[:-1] == UNFUSED.products


def test_a_reduction_is_not_split() -> None:
    """Even where the products' kernels may."""
    linear, product = UNFUSED.products
    kernels = tuple(replace(kernel, splits=(1, 8)) for kernel in product.kernels)
    split = replace(UNFUSED, products=(linear, replace(product, kernels=kernels)))
    assert bmm(split, 16, 32, 4096) < bmm(UNFUSED, 16, 32, 4096)
    whole = with_fused_attention(UNFUSED, "fp16")
    dims = {"queries": 16, "keys": 2048}
    assert attention(with_fused_attention(split, "fp16"), **dims) == attention(whole, **dims)


def test_what_a_correction_learned_from_other_products_is_dropped() -> None:
    linear, product = UNFUSED.products
    corrected = replace(product, correction=Forest.parse(["red<=9 1000 5000"]))
    derived = with_fused_attention(replace(UNFUSED, products=(linear, corrected)), "fp16")
    assert attention(derived) == attention(with_fused_attention(UNFUSED, "fp16"))


def test_without_products_there_is_nothing_to_derive_it_from() -> None:
    alone = replace(FUSED, products=tuple(p for p in FUSED.products if "bmm" not in p.kinds))
    with pytest.raises(ProfileError) as caught:
        with_fused_attention(alone, "fp16")
    assert str(caught.value) == (
        "fused attention in fp16 can be derived from bmm alone, which the operator model does "
        "not know in it"
    )
