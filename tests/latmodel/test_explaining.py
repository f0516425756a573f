from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.explaining import likely_cause
from latmodel.workload import Workload
from tests.latmodel.strategies import workloads

VIT_BASE = Workload(
    model="vit_base_patch16_224",
    depth=12,
    dim=768,
    heads=12,
    head_dim=64,
    mlp_width=3072,
    tokens=197,
    prefix=1,
    patch_inputs=768,
    classes=1000,
)
"""Columns times depth of qkv, proj, fc1 and fc2 are as 3, 1, 4 and 4: of 12 in all."""

ABOUT = st.floats(0.001, 5)


@pytest.mark.parametrize(
    ("count", "batch", "cause"),
    [
        (64, 1, "tile of 64 rows"),
        (128, 1, "tile of 128 rows"),
        (192, 1, "tile of 64 rows"),
        (96, 1, "tile of 32 rows"),
        (48, 1, "tile of 16 rows"),
        (8, 1, "tile of 8 rows"),
        (7, 1, "kernel switch"),
        (8, 8, "tile of 64 rows"),  # 64 rows in all
        (16, 8, "tile of 128 rows"),
        (64, 3, "attention tile of 64"),  # 192 rows in all, but each image's 64 fit
        (128, 2, "attention tile of 128"),
        (128, 8, "attention tile of 128"),
        (3, 128, "kernel switch"),  # every count fills its tiles of rows
        (64, 128, "attention tile of 64"),
        (48, 3, "kernel switch"),  # 16 rows end too often to tell anything
    ],
)
def test_the_widest_tile_that_is_full_is_named(count: int, batch: int, cause: str) -> None:
    """Rows of a GEMM are those of all images; attention has tiles of its own for each."""
    assert likely_cause(count, 0.2, workload=VIT_BASE.at(batch=batch)) == cause


def test_without_a_workload_there_is_one_image() -> None:
    assert likely_cause(64, 0.36) == "tile of 64 rows"
    assert likely_cause(63, 0.36, processors=40) == "kernel switch"


@pytest.mark.parametrize(
    ("size", "cause"),
    [
        # fc1 has 24 tiles of 128 x 128 and then 48: a second wave, of 4 parts in 12.
        (0.33, "wave 2 of the fc1 GEMM (128x128 tiles)"),
        (0.60, "wave 2 of the fc1 GEMM (128x128 tiles)"),
        # qkv has 36 tiles of 128 x 64 and then 72: a second wave, of 3 parts in 12.
        (0.26, "wave 2 of the qkv GEMM (128x64 tiles)"),
        # fc1 has 48 of them and then 96: a third wave, of half of 4 parts in 12.
        (0.17, "wave 3 of the fc1 GEMM (128x64 tiles)"),
        # qkv has 144 tiles of 32 x 64 and then 180: a fifth, of a quarter of 3 parts in 12.
        (0.06, "wave 5 of the qkv GEMM (32x64 tiles)"),
    ],
)
@pytest.mark.parametrize(("count", "batch"), [(128, 1), (64, 2), (16, 8)])
def test_the_wave_whose_step_is_most_alike_is_named(
    size: float, cause: str, count: int, batch: int
) -> None:
    """From 128 rows to more, on 40 processors; all that counts is the rows."""
    found = likely_cause(count, size, workload=VIT_BASE.at(batch=batch), processors=40)
    assert found == cause


@pytest.mark.parametrize(
    ("count", "batch", "cause"),
    [
        (128, 1, "tile of 128 rows"),
        (64, 2, "attention tile of 64"),
        (16, 8, "tile of 128 rows"),
    ],
)
@pytest.mark.parametrize("size", [0.70, 0.03])
def test_a_step_unlike_any_wave_has_another_cause(
    size: float, count: int, batch: int, cause: str
) -> None:
    """More than twice, or less than half, what any wave makes."""
    found = likely_cause(count, size, workload=VIT_BASE.at(batch=batch), processors=40)
    assert found == cause


def test_tiles_that_still_fit_make_no_wave() -> None:
    """With 1000 processors every GEMM here is one wave, before and after."""
    assert likely_cause(128, 0.33, workload=VIT_BASE, processors=1000) == "tile of 128 rows"


def test_no_wave_begins_where_no_tile_of_rows_does() -> None:
    """100 rows and 101 lie in the same tiles."""
    found = likely_cause(100, 0.33, workload=VIT_BASE, processors=40)
    assert found == "kernel switch"


@pytest.mark.parametrize(
    ("share", "half"),
    [(None, ""), (0.0, " in attention"), (0.25, " in attention"), (0.26, ""), (0.5, ""),
     (0.74, ""), (0.75, " in the MLP"), (1.0, " in the MLP")],
)  # fmt: skip
def test_the_half_that_makes_most_of_a_step_is_named(share: float | None, half: str) -> None:
    assert likely_cause(64, 0.2, mlp_share=share) == f"tile of 64 rows{half}"
    assert likely_cause(65, 0.2, mlp_share=share) == f"kernel switch{half}"


def test_after_a_flat_start_the_launch_floor_ends_unless_a_tile_does() -> None:
    assert likely_cause(65, 0.1, flat_before=True) == "end of the launch floor"
    assert likely_cause(64, 0.1, flat_before=True) == "tile of 64 rows"


@given(workload=workloads(), count=st.integers(1, 600), size=ABOUT, flat=st.booleans())
def test_what_alternates_is_said_before_all_else_and_then_what_falls(
    workload: Workload, count: int, size: float, flat: bool
) -> None:
    for sign in (1, -1):
        cause = likely_cause(
            count,
            sign * size,
            alternating=True,
            flat_before=flat,
            workload=workload,
            processors=40,
        )
        assert cause == "kernels alternate"
    falls = likely_cause(count, -size, flat_before=flat, workload=workload, processors=40)
    assert falls == "kernel switch"


@given(workload=workloads(), count=st.integers(1, 600), size=ABOUT)
def test_a_wave_is_named_only_where_rows_fill_whole_tiles(
    workload: Workload, count: int, size: float
) -> None:
    """No kernel's tiles have fewer than 32 rows: between two multiples nothing begins."""
    rows = range(count * workload.batch, (count + 1) * workload.batch)
    found = likely_cause(count, size, workload=workload, processors=40)
    if all(row % 32 for row in rows):
        assert not found.startswith("wave")


def test_no_step_has_no_wave() -> None:
    """A threshold of 0 asks for every pair of counts, level ones too."""
    assert likely_cause(128, 0.0, workload=VIT_BASE, processors=40) == "tile of 128 rows"
