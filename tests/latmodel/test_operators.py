"""Tiles, waves and launches, by hand and by law."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.kernels import Kernel, Product, Throttle
from latmodel.operator_kinds import DIMS, PerKind
from latmodel.operators import OperatorModel

if TYPE_CHECKING:
    from collections.abc import Callable

# Paper-small: 2 multiprocessors, tiles of 4 x 8, 10 ns a wave and 3 ns per element in it,
# 2 ns per element once; memory so fast that it never shows, every launch another number.
KERNEL = Kernel(
    dtypes=("fp32",),
    tile_rows=4,
    tile_columns=8,
    blocks_per_sm=1,
    wave_ns=10.0,
    element_ns=3.0,
    first_element_ns=2.0,
)
LAUNCH = PerKind(linear=100, bmm=200, softmax=300, norm=400, gelu=500, add=600, attention=700)
MODEL = OperatorModel(
    sms=2,
    bandwidth_gb_s=1e9,
    launch_ns=LAUNCH,
    kernels=(KERNEL,),
    relative_error=PerKind(**dict.fromkeys(DIMS, 0.1)),
    fitted_rows=(1, 64),
    fitted_reduction=(8, 512),
)
SLOW_MEMORY = replace(MODEL, bandwidth_gb_s=2.0, kernels=(replace(KERNEL, dtypes=("fp16",)),))
THROTTLED = replace(MODEL, throttle=Throttle(extra=3.0, ramp_ns=50.0))
SIZES: dict[str, dict[str, Any]] = {kind: dict.fromkeys(DIMS[kind], 5) for kind in DIMS}


def linear(model: OperatorModel, rows: int, k: int = 5, columns: int = 8) -> float:
    return float(model.latency_ns("linear", rows=rows, in_features=k, out_features=columns))


@pytest.mark.parametrize(
    ("rows", "columns", "blocks", "waves"),
    [(1, 1, 1, 1), (4, 8, 1, 1), (5, 8, 2, 1), (8, 9, 4, 2), (9, 9, 6, 3), (12, 8, 3, 2)],
)
def test_waves_are_whole_blocks_over_whole_slots(
    rows: int, columns: int, blocks: int, waves: int
) -> None:
    product = Product(1.0, np.array(rows), np.array(columns), np.array(5), np.array(0))
    assert KERNEL.waves(product, sms=10**9) == 1
    assert KERNEL.waves(product, sms=1) == blocks
    assert KERNEL.waves(product, sms=2) == waves
    assert replace(KERNEL, blocks_per_sm=2).waves(product, sms=1) == waves


def test_a_linear_is_launch_and_waves_and_the_first_chain() -> None:
    """9 x 8 takes three tiles, two waves: 100 + 2 * (10 + 3 * 5) + 2 * 5."""
    assert linear(MODEL, 9) == pytest.approx(160.0)


def test_a_bmm_counts_its_batch_in_blocks() -> None:
    """Three products of one tile each take two waves: 200 + 2 * (10 + 3 * 5) + 2 * 5."""
    assert MODEL.latency_ns("bmm", batch=3, m=4, n=8, k=5) == pytest.approx(260.0)


def test_fused_attention_goes_over_the_keys_twice() -> None:
    """2 heads of 5 queries are 4 blocks, 2 waves; 6 keys of 4 features are 6 elements."""
    latency_ns = MODEL.latency_ns("attention", batch=1, heads=2, queries=5, keys=6, head_dim=4)
    assert latency_ns == pytest.approx(700 + 2 * (10 + 3 * 6) + 2 * 6)


@pytest.mark.parametrize(
    ("kind", "passes"), [("softmax", 2), ("norm", 2), ("gelu", 2), ("add", 3)]
)
def test_elementwise_kinds_are_launch_and_bytes(kind: str, passes: int) -> None:
    """Two bytes a number at 2 GB/s: one ns per number and pass."""
    latency_ns = SLOW_MEMORY.latency_ns(kind, dtype="fp16", rows=3, width=7)
    assert latency_ns == pytest.approx(LAUNCH.of(kind) + passes * 21)


def test_memory_and_compute_blend_as_fourth_powers() -> None:
    """1 x 8 from 5: 5 + 40 + 8 numbers, one ns each, beside 10 + 15 + 10 ns of compute."""
    latency_ns = SLOW_MEMORY.latency_ns(
        "linear", dtype="fp16", rows=1, in_features=5, out_features=8
    )
    assert latency_ns == pytest.approx(100 + (53**4 + 35**4) ** 0.25)


def test_the_throttle_slows_light_work_most() -> None:
    """35 ns of compute at a ramp of 50 ns: three quarters of the way to 1 + extra."""
    assert linear(THROTTLED, 1) == pytest.approx(100 + 35 * (1 + 3 / (1 + 35 / 50)))
    assert THROTTLED.latency_ns("add", rows=9, width=9) == MODEL.latency_ns(
        "add", rows=9, width=9
    )


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 300))
def test_counts_in_one_tile_step_cost_the_same(first: int, second: int, columns: int) -> None:
    """The staircase: compute depends on rows through whole tiles alone."""
    first_ns, second_ns = (linear(THROTTLED, rows, columns=columns) for rows in (first, second))
    if -(-first // 4) == -(-second // 4):
        assert first_ns == pytest.approx(second_ns, rel=1e-9)
    elif first < second:
        assert first_ns <= second_ns * (1 + 1e-9)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 100), st.floats(1, 1e9))
def test_more_work_is_never_faster(one: float, two: float, extra: float, ramp: float) -> None:
    throttle = Throttle(extra=extra, ramp_ns=ramp)
    less, more = throttle.slowed_ns(np.array(sorted((one, two)))).tolist()
    assert less <= more * (1 + 1e-12)


def test_arrays_broadcast_and_scalars_give_an_array() -> None:
    rows = np.array([1, 4, 5, 9])
    together = MODEL.latency_ns("linear", rows=rows, in_features=5, out_features=8)
    assert together.tolist() == [linear(MODEL, int(count)) for count in rows]
    assert isinstance(MODEL.latency_ns("add", rows=1, width=1), np.ndarray)


@pytest.mark.parametrize("model", [MODEL, THROTTLED, SLOW_MEMORY])
def test_reading_what_was_written_is_the_identity(model: OperatorModel) -> None:
    assert OperatorModel.from_fields(Fields(model.to_dict(), "operators")) == model


@pytest.mark.parametrize(
    ("kind", "dtype", "dims", "message"),
    [
        (
            "conv",
            "fp32",
            {},
            (
                "operator kind is 'conv': must be one of linear, bmm, softmax, norm, gelu, "
                "add, attention"
            ),
        ),
        (
            "add",
            "int8",
            {"rows": 1, "width": 1},
            "dtype is 'int8': the operator model knows fp32",
        ),
        ("add", "fp32", {"rows": 1}, "add was given rows: must be given rows, width"),
        ("add", "fp32", {}, "add was given no dimension: must be given rows, width"),
        (
            "add",
            "fp32",
            {"rows": 1, "width": 1, "k": 1},
            "add was given k, rows, width: must be given rows, width",
        ),
        (
            "add",
            "fp32",
            {"rows": [3, 0], "width": 1},
            "add: rows holds a number that is not positive and finite",
        ),
        (
            "add",
            "fp32",
            {"rows": 1, "width": float("nan")},
            "add: width holds a number that is not positive and finite",
        ),
        (
            "add",
            "fp32",
            {"rows": [1, 2], "width": [1, 2, 3]},
            "add: shapes that do not fit together: rows (2,), width (3,)",
        ),
        (
            "add",
            "fp32",
            {"rows": "many", "width": 1},
            "add: a dimension is neither a number nor an array",
        ),
    ],
)
def test_a_wrong_question_is_refused(
    kind: str, dtype: str, dims: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProfileError, match=f"^{re.escape(message)}$"):
        MODEL.latency_ns(kind, dtype=dtype, **dims)


@pytest.mark.parametrize("kind", sorted(DIMS))
def test_every_kind_answers(kind: str) -> None:
    assert MODEL.latency_ns(kind, **SIZES[kind]) > LAUNCH.of(kind)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(MODEL, mode="graph"), "mode is 'graph': must be 'eager'"),
        (lambda: replace(MODEL, sms=0), "sms is 0: must be 1 or more"),
        (
            lambda: replace(MODEL, bandwidth_gb_s=0.0),
            "bandwidth_gb_s is 0.0: must be finite and above 0",
        ),
        (
            lambda: replace(MODEL, patch_factor=float("nan")),
            "patch_factor is nan: must be finite and 0 or more",
        ),
        (
            lambda: replace(MODEL, kernels=()),
            "kernels must hold each dtype once, and at least one",
        ),
        (
            lambda: replace(MODEL, kernels=(KERNEL, KERNEL)),
            "kernels must hold each dtype once, and at least one",
        ),
        (
            lambda: replace(MODEL, fitted_rows=(9, 3)),
            "fitted_rows is 9 to 3: must ascend from 1",
        ),
        (lambda: replace(LAUNCH, add=-1.0), "add is -1.0: must be finite and 0 or more"),
        (
            lambda: replace(KERNEL, dtypes=("int8",)),
            "dtypes are int8: must be among fp32, fp16, bf16",
        ),
        (
            lambda: replace(KERNEL, dtypes=()),
            "dtypes are none: must be among fp32, fp16, bf16",
        ),
        (lambda: replace(KERNEL, tile_rows=0), "tile_rows is 0: must be 1 or more"),
        (
            lambda: replace(KERNEL, wave_ns=-2.0),
            "wave_ns is -2.0: must be finite and 0 or more",
        ),
        (lambda: Throttle(extra=1.0, ramp_ns=0.0), "ramp_ns is 0: must be above 0"),
    ],
)
def test_a_parameter_out_of_range_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ProfileError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("kernels", 0, "element_ns"),
            float("nan"),
            (
                "operators.kernels[0].element_ns: found a number nan, allowed is a finite "
                "number of 0 or more"
            ),
        ),
        (
            ("kernels", 0, "dtypes"),
            ["int8"],
            "operators.kernels[0].dtypes are int8: must be among fp32, fp16, bf16",
        ),
        (
            ("launch_ns", "add"),
            -1.0,
            (
                "operators.launch_ns.add: found a number -1.0, allowed is a finite number of 0 "
                "or more"
            ),
        ),
        (
            ("launch_ns", "conv"),
            1.0,
            (
                "operators.launch_ns.conv: unknown key; known here are linear, bmm, softmax, "
                "norm, gelu, add, attention"
            ),
        ),
        (("throttle", "ramp_ns"), 0, "operators.throttle.ramp_ns is 0: must be above 0"),
        (("mode",), "graph", "operators.mode: found text 'graph', allowed is one of eager"),
        (
            ("bandwidth_gb_s",),
            0,
            "operators.bandwidth_gb_s is 0.0: must be finite and above 0",
        ),
        (
            ("fitted_rows",),
            [1, 2, 3],
            "operators.fitted_rows: found 3 numbers, allowed are two",
        ),
    ],
)
def test_a_file_out_of_range_is_refused_by_path(
    path: tuple[str | int, ...], value: object, message: str
) -> None:
    mapping: Any = THROTTLED.to_dict()
    holder = mapping
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(FieldError, match=f"^{re.escape(message)}$"):
        OperatorModel.from_fields(Fields(mapping, "operators"))
