"""Tiles, waves and split reductions, by hand and by law."""

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
from latmodel.kernels import Kernel
from latmodel.shapes import Product, shape_features
from latmodel.trees import Tree
from tests.latmodel.part_strategies import kernels
from tests.latmodel.yaml_files import through_a_file

# Paper-small: tiles of 4 x 8, 10 ns a wave and 3 ns per element in it, 2 ns per element once.
KERNEL = Kernel(
    name="4x8",
    tile_rows=4,
    tile_columns=8,
    wave_ns=10.0,
    element_ns=3.0,
    first_element_ns=2.0,
    split_ns=1000.0,
)
ONE = np.array(1.0)


def product(rows: float, columns: float, reduction: float = 5, batch: float = 1) -> Product:
    values = (np.array(float(value)) for value in (batch, rows, columns, reduction, 1))
    return Product(*values)


@pytest.mark.parametrize(
    ("rows", "columns", "blocks", "waves"),
    [(1, 1, 1, 1), (4, 8, 1, 1), (5, 8, 2, 1), (8, 9, 4, 2), (9, 9, 6, 3), (12, 8, 3, 2)],
)
def test_waves_are_whole_blocks_over_whole_slots(
    rows: int, columns: int, blocks: int, waves: int
) -> None:
    asked = product(rows, columns)
    assert KERNEL.waves(asked, ONE, sms=10**9) == 1
    assert KERNEL.waves(asked, ONE, sms=1) == blocks
    assert KERNEL.waves(asked, ONE, sms=2) == waves
    assert replace(KERNEL, blocks_per_sm=2).waves(asked, ONE, sms=1) == waves


def test_products_of_a_batch_and_shares_of_a_reduction_are_blocks_too() -> None:
    """3 products of 2 tiles each, or one product of 2 tiles in 3 shares: 6 blocks."""
    assert KERNEL.waves(product(5, 8, batch=3), ONE, sms=1) == 6
    assert KERNEL.waves(product(5, 8), np.array(3.0), sms=1) == 6


@pytest.mark.parametrize(
    ("evenness", "blocks", "waves"),
    [(1.0, 5, 3), (0.5, 5, 2.75), (0.0, 5, 2.5), (0.5, 4, 2), (0.0, 1, 1), (0.5, 1, 1)],
)
def test_a_wave_that_is_not_full_costs_more_or_less_of_a_whole_one(
    evenness: float, blocks: int, waves: float
) -> None:
    """Of 5 blocks on 2 multiprocessors; but the first wave is always whole."""
    even = replace(KERNEL, evenness=evenness)
    assert even.waves(product(4 * blocks, 8), ONE, sms=2) == waves


def test_compute_is_waves_and_the_first_chain() -> None:
    """9 x 8 takes three tiles, two waves: 2 * (10 + 3 * 5) + 2 * 5."""
    assert KERNEL.compute_ns(product(9, 8), ONE, sms=2) == 60


def test_a_reduction_is_loaded_in_whole_pieces() -> None:
    """Of 4: 5 elements cost 8; shared by two blocks, 3 elements each cost 4."""
    pieces = replace(KERNEL, tile_reduction=4)
    assert pieces.compute_ns(product(4, 8), ONE, sms=2) == 10 + 3 * 8 + 2 * 8
    assert pieces.compute_ns(product(4, 8), np.array(2.0), sms=2) == 10 + 3 * 4 + 2 * 4


def test_a_split_halves_the_chain_and_its_shares_are_merged() -> None:
    """10 elements by 2 blocks: 5 each; 32 outputs by 2 at 1000 ns a thousand: 64 ns."""
    asked, halves = product(4, 8, reduction=10), np.array(2.0)
    assert KERNEL.compute_ns(asked, halves, sms=2) == 10 + 3 * 5 + 2 * 5
    assert KERNEL.merge_ns(asked, halves) == 64
    assert KERNEL.merge_ns(asked, ONE) == 0


@given(
    rows=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    columns=st.integers(1, 300),
    sms=st.integers(1, 9),
    evenness=st.floats(0, 1),
)
def test_counts_in_one_tile_step_cost_the_same(
    rows: tuple[int, int], columns: int, sms: int, evenness: float
) -> None:
    """The staircase: compute depends on rows through whole tiles alone, and never falls."""
    kernel = replace(KERNEL, evenness=evenness)
    fewer, more = (
        float(kernel.compute_ns(product(count, columns), ONE, sms=sms))
        for count in sorted(rows)
    )
    if math.ceil(rows[0] / 4) == math.ceil(rows[1] / 4):
        assert fewer == more
    assert fewer <= more * (1 + 1e-9)


def test_the_splits_to_choose_from() -> None:
    """All that a kernel lists, unless a tree tells which the library takes."""
    asked = product(4, 8)._replace(reduction=np.array([16.0, 17.0]))
    features = shape_features(asked, sms=1, tiles=())
    several = replace(KERNEL, splits=(1, 4))
    assert [split.tolist() for split in several.chosen_splits(features)] == [1.0, 4.0]
    told = replace(several, split_choice=Tree.parse("red<=16 1 3"))
    assert [split.tolist() for split in told.chosen_splits(features)] == [[1.0, 3.0]]


@settings(max_examples=40)
@given(kernel=kernels())
def test_a_kernel_comes_back_from_a_file_bit_for_bit(kernel: Kernel) -> None:
    assert Kernel.from_fields(through_a_file(kernel.to_dict())) == kernel


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tile_rows": 0}, "tile_rows is 0: must be 1 or more"),
        ({"tile_columns": -4}, "tile_columns is -4: must be 1 or more"),
        ({"tile_reduction": 0}, "tile_reduction is 0: must be 1 or more"),
        ({"blocks_per_sm": 0}, "blocks_per_sm is 0: must be 1 or more"),
        ({"wave_ns": -2.0}, "wave_ns is -2.0: must be finite and 0 or more"),
        ({"element_ns": math.nan}, "element_ns is nan: must be finite and 0 or more"),
        ({"first_element_ns": -1.0}, "first_element_ns is -1.0: must be finite and 0 or more"),
        ({"split_ns": math.inf}, "split_ns is inf: must be finite and 0 or more"),
        ({"evenness": -0.5}, "evenness is -0.5: must be finite and 0 or more"),
        ({"evenness": 1.5}, "evenness is 1.5: must be 1 or less"),
        ({"splits": ()}, "splits must hold at least one number, each 1 or more"),
        ({"splits": (1, 0)}, "splits must hold at least one number, each 1 or more"),
        (
            {"split_choice": Tree.parse("rows<=4 1 0")},
            "split_choice answers 0: must be whole, 1 or more",
        ),
        (
            {"split_choice": Tree.parse("rows<=4 1 2.5")},
            "split_choice answers 2.5: must be whole, 1 or more",
        ),
    ],
)
def test_a_parameter_out_of_range_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        replace(KERNEL, **change)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"element_ns": math.nan},
            (
                "kernels[0].element_ns: found a number nan, allowed is a finite number of 0 "
                "or more"
            ),
        ),
        (
            {"tile_rows": 4.0},
            "kernels[0].tile_rows: found a number 4.0, allowed is an integer of 1 or more",
        ),
        ({"splits": []}, "kernels[0].splits must hold at least one number, each 1 or more"),
        ({"evenness": 1.5}, "kernels[0].evenness is 1.5: must be 1 or less"),
        (
            {"split_choice": "rows<=4 1"},
            "kernels[0].split_choice: the tree is cut short: a branch is missing",
        ),
        (
            {"split_choice": "rows<=4 1 0"},
            "kernels[0].split_choice answers 0: must be whole, 1 or more",
        ),
        (
            {"tile": 4},
            (
                "kernels[0].tile: unknown key; known here are name, tile_rows, tile_columns, "
                "tile_reduction, blocks_per_sm, wave_ns, element_ns, first_element_ns, "
                "evenness, splits, split_choice, split_ns"
            ),
        ),
    ],
)
def test_a_file_out_of_range_is_refused_by_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        Kernel.from_fields(Fields(KERNEL.to_dict() | change, "kernels[0]"))
    assert str(caught.value) == message
