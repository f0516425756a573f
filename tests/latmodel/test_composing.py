"""A composed table is what its operators come to, and says how far it can be trusted."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latmodel.composing import compose
from latmodel.errors import ProfileError
from latmodel.kernels import Kernel, Throttle
from latmodel.operator_kinds import DIMS, PerKind
from latmodel.operators import OperatorModel
from latmodel.workload import Workload

KERNEL = Kernel(
    dtypes=("fp32", "fp16"),
    tile_rows=16,
    tile_columns=32,
    blocks_per_sm=2,
    wave_ns=700.0,
    element_ns=11.0,
    first_element_ns=5.0,
)
MODEL = OperatorModel(
    sms=4,
    bandwidth_gb_s=60.0,
    launch_ns=PerKind(
        linear=9000, bmm=8000, softmax=7000, norm=6000, gelu=5000, add=4000, attention=3000
    ),
    kernels=(KERNEL,),
    relative_error=PerKind(
        linear=0.1, bmm=0.2, softmax=0.3, norm=0.01, gelu=0.02, add=0.03, attention=0.2
    ),
    fitted_rows=(8, 32),
    fitted_reduction=(32, 512),
    patch_factor=2.5,
    throttle=Throttle(extra=1.5, ramp_ns=20e3),
)
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
WORKLOADS = (
    SMALL,
    replace(SMALL, batch=3, dtype="fp16"),
    replace(SMALL, prefix=0, classes=0),
    replace(SMALL, prefix=5, gated_mlp=True),
    replace(SMALL, layer_scale=True, qk_norm=True),
    replace(SMALL, gated_mlp=True, layer_scale=True, qk_norm=True, batch=2, depth=1),
)


Pair = npt.NDArray[np.float64]  # launch and device time, in ns


class Slowly:
    """The oracle: one count, one operator, one formula at a time, as launch and busy."""

    def __init__(self, workload: Workload) -> None:
        self.w = workload
        self.size = 2 if workload.dtype == "fp16" else 4

    def product(self, batch: int, rows: int, columns: float, k: float, moved: float) -> float:
        """A product, throttled, beside its memory."""
        blocks = batch * math.ceil(rows / 16) * math.ceil(columns / 32)
        compute = math.ceil(blocks / 8) * (700 + 11 * k) + 5 * k
        compute *= 1 + 1.5 / (1 + compute / 20e3)
        return float((compute**4 + (moved * self.size / 60) ** 4) ** 0.25)

    def linear(self, rows: int, k: int, columns: int) -> Pair:
        """A linear layer."""
        moved = rows * k + k * columns + rows * columns
        return np.array([9000, self.product(1, rows, columns, k, moved)])

    def each(self, launch: float, numbers: float) -> Pair:
        """An elementwise operator that moves so many numbers."""
        return np.array([launch, numbers * self.size / 60])

    def norm(self, rows: int, width: int) -> Pair:
        """A norm."""
        return self.each(6000, 2 * rows * width)

    def add(self, rows: int, width: int) -> Pair:
        """An addition."""
        return self.each(4000, 3 * rows * width)

    def residual(self, rows: int) -> Pair:
        """A residual addition, and the scale before it."""
        return self.add(rows, self.w.dim) * (2 if self.w.layer_scale else 1)

    def attention(self, count: int) -> Pair:
        """The attention half at one count."""
        w, rows, inner = self.w, self.w.batch * count, self.w.heads * self.w.head_dim
        total = self.norm(rows, w.dim) + self.linear(rows, w.dim, 3 * inner)
        if w.qk_norm:
            total += 2 * self.norm(rows * w.heads, w.head_dim)
        maps = w.batch * w.heads
        moved = maps * w.head_dim * 2 * (count + count)
        fused = self.product(maps, count, 32, 2 * w.head_dim * count / 32, moved)
        total += np.array([3000, fused])
        return total + self.linear(rows, inner, w.dim) + self.residual(rows)

    def mlp(self, count: int) -> Pair:
        """The MLP half at one count."""
        w, rows = self.w, self.w.batch * count
        total = self.norm(rows, w.dim)
        if w.gated_mlp:
            total += self.linear(rows, w.dim, 2 * w.mlp_width) + self.add(rows, w.mlp_width)
        else:
            total += self.linear(rows, w.dim, w.mlp_width)
        total += self.each(5000, 2 * rows * w.mlp_width)
        return total + self.linear(rows, w.mlp_width, w.dim) + self.residual(rows)

    def ends(self) -> Pair:
        """Embedding, final norm and head."""
        w, rows = self.w, self.w.batch * self.w.tokens
        total = 2.5 * self.linear(w.batch * (w.tokens - w.prefix), w.patch_inputs, w.dim)
        total += self.add(rows, w.dim) + self.norm(rows, w.dim)
        if w.prefix:
            total += self.add(rows, w.dim)
        if w.classes:
            total += self.linear(w.batch, w.dim, w.classes)
        return total

    def cut(self, count: int) -> Pair:
        """A cut down to one count, by the dearest score."""
        w, full, maps = self.w, self.w.tokens, self.w.batch * self.w.heads
        moved = maps * (2 * full * w.head_dim + full * full)
        total = np.array([8000, self.product(maps, full, full, w.head_dim, moved)])
        total += self.each(7000, 2 * maps * full * full) + self.norm(maps * full, full)
        total += self.each(7000, 2 * maps * full * w.head_dim)
        total += self.norm(maps * full, w.head_dim) + 7 * self.norm(w.batch, full)
        gathered = 2 * self.add(w.batch * count, w.dim) + 2 * self.add(w.batch * full, w.dim)
        return total + gathered


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_table_is_what_a_slow_loop_adds_up(workload: Workload) -> None:
    table, slowly = compose(workload, MODEL), Slowly(workload)
    assert table.counts.tolist() == list(range(1, workload.tokens + 1))
    for column, count in enumerate(range(1, workload.tokens + 1)):
        mlp, attention = slowly.mlp(count), slowly.attention(count)
        expected = [max(mlp + attention)] * (workload.depth - 1) + [max(mlp)]
        assert table.segment_ns[:, column] == pytest.approx(np.ceil(expected), abs=1)
        cut = math.ceil(max(slowly.cut(count)))
        assert table.cut_ns[:, column] == pytest.approx(cut, abs=1)
    fixed = max(slowly.ends() + slowly.attention(workload.tokens))
    assert table.fixed_ns == pytest.approx(math.ceil(fixed), abs=1)


def test_launches_that_outlast_the_device_are_the_latency() -> None:
    """Launch-bound: no count is faster than another, and dropping tokens saves nothing."""
    slow_host = replace(MODEL, launch_ns=PerKind(**dict.fromkeys(DIMS, 1e9)))
    table = compose(SMALL, slow_host)
    assert np.all(table.segment_ns[0] == 10 * 10**9)  # five operators in each half
    assert np.all(table.segment_ns[-1] == 5 * 10**9)


def test_latencies_are_rounded_up() -> None:
    assert compose(SMALL, MODEL).segment_ns[0, 0] == math.ceil(
        max(Slowly(SMALL).mlp(1) + Slowly(SMALL).attention(1))
    )


def test_the_error_is_the_operators_and_grows_outside_the_fitted_rows() -> None:
    """One error for all kinds must come out as itself; at 4 rows of 8 to 32, ln 2 more."""
    alike = replace(MODEL, relative_error=PerKind(**dict.fromkeys(DIMS, 0.1)))
    error = compose(SMALL, alike).relative_error
    assert error[8 - 1 :] == pytest.approx(0.1)
    assert error[4 - 1] == pytest.approx(0.1 * (1 + math.log(2)))
    batched = compose(SMALL.at(batch=4), alike).relative_error
    assert batched[16 - 1] == pytest.approx(0.1 * (1 + math.log(2)))  # 64 rows of 32
    mixed = compose(SMALL, MODEL).relative_error[8 - 1 :]
    assert np.all((mixed > 0.03) & (mixed < 0.2))


def test_a_table_names_its_origin_and_what_is_extrapolated() -> None:
    table = compose(SMALL.at(batch=2), replace(MODEL, fitted_reduction=(90, 100)))
    assert table.origin == (
        "operator model (eager: dispatch and computing overlap), composed for small at batch 2 "
        "in fp32"
    )
    rows, reduction = table.warnings
    assert rows == (
        "the table spans 2 to 52 rows (batch x tokens), the readings behind it 8 to 32: "
        "outside, tiles and waves are extrapolated and the error grows"
    )
    assert reduction == (
        "the linears reduce over 64 to 256 features, those of the readings over 90 to 100: "
        "outside, the latency is extrapolated"
    )
    wide = replace(MODEL, fitted_rows=(1, 100))
    assert compose(SMALL, wide).warnings == ()


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(
        ProfileError, match=r"^dtype is 'bf16': the operator model knows fp32, fp16$"
    ):
        compose(SMALL.at(dtype="bf16"), MODEL)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 8), st.integers(2, 40), st.booleans())
def test_more_tokens_never_cost_less(batch: int, heads: int, tokens: int, gated: bool) -> None:
    """A law of this model, not of devices: kernels are not chosen by shape yet."""
    workload = replace(SMALL, batch=batch, heads=heads, tokens=tokens, gated_mlp=gated)
    assert np.all(np.diff(compose(workload, MODEL).segment_ns) >= 0)


def test_a_large_table_is_quick() -> None:
    large = Workload(
        model="vit_large_patch14_336",
        depth=24,
        dim=1024,
        heads=16,
        head_dim=64,
        mlp_width=4096,
        tokens=577,
        prefix=1,
        patch_inputs=588,
        classes=1000,
    )
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        compose(large, MODEL)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05
