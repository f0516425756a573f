"""Operators to blocks, blocks to a latency table, for any plain vision transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latmodel.operators import Operator
from latmodel.table import LatencyTable, ceil_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from latmodel.kernels import Floats
    from latmodel.operators import OperatorModel
    from latmodel.table import Int64
    from latmodel.workload import Workload

__all__ = ["attention_half", "compose", "cut_operators", "mlp_half"]


def compose(workload: Workload, operators: OperatorModel) -> LatencyTable:
    """The latency table of a workload: the sum of its operators at every token count.

    Nothing overlaps (see `OperatorModel.mode`), so a device that dispatches one operator
    while another runs is faster than its table.

    Args:
        workload: what runs; every count from 1 to its `tokens` becomes a column.
        operators: the device.

    Raises:
        ProfileError: the model does not know the workload's dtype.
    """
    counts = np.arange(1, workload.tokens + 1, dtype=np.int64)
    attention, attention_error = _sum(workload, operators, attention_half(workload, counts))
    mlp, mlp_error = _sum(workload, operators, mlp_half(workload, counts))
    cut, _ = _sum(workload, operators, cut_operators(workload, counts))
    segments = np.tile(mlp + attention, (workload.depth, 1))
    segments[-1] = mlp
    error = (mlp * mlp_error + attention * attention_error) / (mlp + attention)
    distance = _beyond(workload.batch * counts, operators.fitted_rows)
    return LatencyTable(
        counts=counts,
        segment_ns=ceil_ns(segments),
        cut_ns=np.tile(ceil_ns(cut), (workload.depth, 1)),
        fixed_ns=int(ceil_ns(attention[-1] + _ends_ns(workload, operators))),
        relative_error=error * (1.0 + distance),
        origin=(
            f"operator model ({operators.mode}: the sum of operators that were timed one by "
            f"one), composed for {workload.model} at batch {workload.batch} in {workload.dtype}"
        ),
        warnings=tuple(_warnings(workload, operators)),
    )


def attention_half(workload: Workload, counts: Int64) -> tuple[Operator, ...]:
    """The operators of one block's attention half, residual addition included."""
    rows = workload.batch * counts
    inner = workload.heads * workload.head_dim
    head_norm = Operator("norm", {"rows": rows * workload.heads, "width": workload.head_dim})
    scores: dict[str, npt.ArrayLike] = {
        "batch": workload.batch,
        "heads": workload.heads,
        "queries": counts,
        "keys": counts,
        "head_dim": workload.head_dim,
    }
    return (
        Operator("norm", {"rows": rows, "width": workload.dim}),
        _linear(rows, workload.dim, 3 * inner),
        *((head_norm, head_norm) if workload.qk_norm else ()),
        Operator("attention", scores),
        _linear(rows, inner, workload.dim),
        *_residual(workload, rows),
    )


def mlp_half(workload: Workload, counts: Int64) -> tuple[Operator, ...]:
    """The operators of one block's MLP half, residual addition included."""
    rows = workload.batch * counts
    hidden: dict[str, npt.ArrayLike] = {"rows": rows, "width": workload.mlp_width}
    halves = 2 if workload.gated_mlp else 1
    return (
        Operator("norm", {"rows": rows, "width": workload.dim}),
        _linear(rows, workload.dim, halves * workload.mlp_width),
        Operator("gelu", hidden),
        *((Operator("add", hidden),) if workload.gated_mlp else ()),  # gate times value
        _linear(rows, workload.mlp_width, workload.dim),
        *_residual(workload, rows),
    )


def cut_operators(workload: Workload, counts: Int64) -> tuple[Operator, ...]:
    """The operators of one cut down to each count, for the dearest score there is.

    That score needs the whole softmax map, which fused attention does not keep, so the
    map is computed again beside it, and always at the full count: a cut further down,
    or by a score of the class row alone, costs less.
    """
    full = workload.tokens
    maps = workload.batch * workload.heads
    product = {"batch": maps, "m": full, "n": full, "k": workload.head_dim}
    over_map = {"rows": maps * full, "width": full}
    over_tokens = Operator("norm", {"rows": workload.batch, "width": full})
    kept = Operator("add", {"rows": workload.batch * counts, "width": workload.dim})
    dropped = Operator("add", {"rows": workload.batch * full, "width": workload.dim})
    return (
        Operator("bmm", product),
        Operator("softmax", over_map),
        Operator("norm", over_map),  # from the map to one score per token
        over_tokens,  # top-k: a few passes over one number per token
        over_tokens,  # and the kept ones back in order
        kept,  # gather
        dropped,  # average of what is dropped
        kept,  # concat
    )


def _linear(rows: Int64 | int, in_features: int, out_features: int) -> Operator:
    dims = {"rows": rows, "in_features": in_features, "out_features": out_features}
    return Operator("linear", dims)


def _residual(workload: Workload, rows: Int64) -> tuple[Operator, ...]:
    # A layer scale multiplies every feature: the traffic of an addition, a little less.
    add = Operator("add", {"rows": rows, "width": workload.dim})
    return (add, add) if workload.layer_scale else (add,)


def _sum(
    workload: Workload, operators: OperatorModel, parts: Sequence[Operator]
) -> tuple[Floats, Floats]:
    """Latency in ns and relative error of operators in sequence; shape (counts,) both.

    The errors are taken as fully shared: one device, one clock, one model of it.
    """
    total = np.zeros(workload.tokens)
    weighted = np.zeros(workload.tokens)
    for part in parts:
        latency_ns = operators.latency_ns(part.kind, dtype=workload.dtype, **part.dims)
        total += latency_ns
        weighted += latency_ns * operators.relative_error.of(part.kind)
    return total, weighted / total


def _ends_ns(workload: Workload, operators: OperatorModel) -> float:
    """Patch embedding, position and prefix, final norm and head, at the full count."""
    rows = workload.batch * workload.tokens
    add = Operator("add", {"rows": rows, "width": workload.dim})
    patches = _linear(workload.batch * workload.patches, workload.patch_inputs, workload.dim)
    parts = [add, Operator("norm", {"rows": rows, "width": workload.dim})]
    parts += [add] if workload.prefix else []  # concat
    if workload.classes:
        parts.append(_linear(workload.batch, workload.dim, workload.classes))
    embedding = operators.latency_ns(patches.kind, dtype=workload.dtype, **patches.dims)
    rest, _ = _sum(workload, operators, parts)
    return float(operators.patch_factor * embedding + rest[-1])


def _beyond(values: Int64, fitted: tuple[int, int]) -> Floats:
    """How far each value lies outside the fitted range: the log of the ratio, else 0.

    At e times the greatest fitted value, the stated error is doubled. That is a rule of
    thumb: readings there would be needed to do better.
    """
    low, high = fitted
    distance: Floats = np.log(np.maximum(np.maximum(low / values, values / high), 1.0))
    return distance


def _warnings(workload: Workload, operators: OperatorModel) -> Iterator[str]:
    low, high = operators.fitted_rows
    least, most = workload.batch, workload.batch * workload.tokens
    if least < low or most > high:
        yield (
            f"the table spans {least} to {most} rows (batch x tokens), the readings behind it "
            f"{low} to {high}: outside, tiles and waves are extrapolated and the error grows"
        )
    low, high = operators.fitted_reduction
    inner = workload.heads * workload.head_dim
    least, most = (f(workload.dim, inner, workload.mlp_width) for f in (min, max))
    if least < low or most > high:
        yield (
            f"the linears reduce over {least} to {most} features, those of the readings over "
            f"{low} to {high}: outside, the latency is extrapolated"
        )
