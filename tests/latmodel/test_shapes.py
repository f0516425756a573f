"""The product behind each kind, and its features, counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.operator_kinds import DIMS, PRODUCTS, checked_sizes
from latmodel.shapes import Product, product_of, shape_features


@pytest.mark.parametrize(
    ("kind", "dims", "expected"),
    [
        # 3 x 5 read, 5 x 7 read, 3 x 7 written
        ("linear", {"rows": 3, "in_features": 5, "out_features": 7}, (1, 3, 7, 5, 71)),
        ("bmm", {"batch": 2, "m": 3, "n": 7, "k": 5}, (2, 3, 7, 5, 142)),
        # 2 x 3 heads; queries and the answer are 5 x 4 each, keys and values 6 x 4 each
        (
            "attention",
            {"batch": 2, "heads": 3, "queries": 5, "keys": 6, "head_dim": 4},
            (6, 5, 4, 12, 6 * (5 * 4 + 6 * 4 + 6 * 4 + 5 * 4)),
        ),
    ],
)
def test_the_product_behind_a_kind(
    kind: str, dims: dict[str, Any], expected: tuple[float, ...]
) -> None:
    """Whatever order the caller names the dimensions in."""
    backwards = dict(reversed(dims.items()))
    product = product_of(kind, checked_sizes(kind, backwards))
    assert tuple(float(value) for value in product) == expected
    assert float(product.outputs) == expected[0] * expected[1] * expected[2]


def test_fused_attention_multiplies_as_much_as_its_two_products() -> None:
    """Scores are queries x keys from head_dim, values queries x head_dim from keys."""
    dims = {"batch": 1, "heads": 1, "queries": 5, "keys": 6, "head_dim": 4}
    fused = product_of("attention", checked_sizes("attention", dims))
    assert float(fused.outputs * fused.reduction) == 5 * 6 * 4 + 5 * 4 * 6


def test_features_by_hand() -> None:
    """2 products of 9 x 10 from 21: 3 x 2 tiles each, 12 blocks on 5 multiprocessors."""
    values = (np.array(float(value)) for value in (2, 9, 10, 21, 1000))
    features = shape_features(Product(*values), sms=5, tiles=[(4, 8)])
    assert {name: float(value) for name, value in features.items()} == {
        "rows": 9,
        "cols": 10,
        "red": 21,
        "batch": 2,
        "out": 180,
        "work": 3780,
        "moved": 1000,
        "weights": 210,
        "rows/cols": 0.9,
        "red/out": 21 / 180,
        "red/rows": 21 / 9,
        "red/cols": 2.1,
        "rows%4": 1,
        "rows%16": 9,
        "cols%4": 2,
        "red%4": 1,
        "red%8": 5,
        "n4x8": 12 / 5,
        "pad4x8": 3 * 32 * 5 / 180,
    }


@given(
    kind=st.sampled_from(PRODUCTS),
    size=st.integers(1, 4096),
    counts=st.lists(st.integers(1, 4096), min_size=1, max_size=5),
)
def test_a_product_of_arrays_is_the_products_of_their_elements(
    kind: str, size: int, counts: list[int]
) -> None:
    """Whichever dimension varies."""
    for varied in DIMS[kind]:
        dims: dict[str, Any] = dict.fromkeys(DIMS[kind], size)
        together = product_of(kind, checked_sizes(kind, dims | {varied: counts}))
        each = [product_of(kind, checked_sizes(kind, dims | {varied: n})) for n in counts]
        for name in Product._fields:
            value = np.broadcast_to(getattr(together, name), len(counts)).tolist()
            assert value == [float(getattr(one, name)) for one in each]
