"""Operators to blocks, blocks to a latency table, for any plain vision transformer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latmodel.operator_kinds import Operator
from latmodel.operators import OperatorModel
from latmodel.slowdowns import Floats
from latmodel.table import Int64, LatencyTable, ceil_ns
from latmodel.workload import Workload

__all__ = ["attention_half", "compose", "cut_operators", "mlp_half"]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Operators in sequence: launches in ns, device time in ns, error in ns; each (counts,)."""

    launch_ns: float
    busy_ns: Floats
    error_ns: Floats

    @property
    def latency_ns(self) -> Floats:
        """The slower of host and device, which work side by side."""
        return np.maximum(self.launch_ns, self.busy_ns)

    def then(self, later: _Stretch) -> _Stretch:
        """Both, one after the other."""
        return _Stretch(
            self.launch_ns + later.launch_ns,
            self.busy_ns + later.busy_ns,
            self.error_ns + later.error_ns,
        )


def compose(workload: Workload, operators: OperatorModel) -> LatencyTable:
    """The latency table of a workload, from its operators at every token count.

    In eager mode the host runs ahead of the device, so a stretch of operators takes as long
    as the slower of the two: the sum of their launches, or the sum of what keeps the device
    busy. Where the launches are more, fewer tokens save nothing. The maximum is taken for
    each segment, which bounds that of the whole model from above.

    Args:
        workload: what runs; every count from 1 to its `tokens` becomes a column.
        operators: the device.

    Raises:
        ProfileError: the model does not know the workload's dtype.
    """
    counts = np.arange(1, workload.tokens + 1, dtype=np.int64)
    attention = _stretch(workload, operators, attention_half(workload, counts))
    mlp = _stretch(workload, operators, mlp_half(workload, counts))
    cut = _stretch(workload, operators, cut_operators(workload, counts))
    block = mlp.then(attention)
    segments = np.tile(block.latency_ns, (workload.depth, 1))
    segments[-1] = mlp.latency_ns
    ends = attention.then(_ends(workload, operators))
    distance = _beyond(workload.batch * counts, operators.fitted_rows)
    return LatencyTable(
        counts=counts,
        segment_ns=ceil_ns(segments),
        cut_ns=np.tile(ceil_ns(cut.latency_ns), (workload.depth, 1)),
        fixed_ns=int(ceil_ns(ends.latency_ns[-1])),
        relative_error=block.error_ns / (block.launch_ns + block.busy_ns) * (1.0 + distance),
        origin=(
            f"operator model ({operators.mode}: dispatch and computing overlap), composed for "
            f"{workload.model} at batch {workload.batch} in {workload.dtype}"
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
    values = {"rows": maps * full, "width": workload.head_dim}
    # One number per token: maximum, division, sums, addition, top-k, sort, means of them.
    over_tokens = Operator("norm", {"rows": workload.batch, "width": full})
    kept = Operator("add", {"rows": workload.batch * counts, "width": workload.dim})
    dropped = Operator("add", {"rows": workload.batch * full, "width": workload.dim})
    return (
        Operator("bmm", product),
        Operator("softmax", over_map),
        Operator("norm", over_map),  # from the map to the attention that each token receives
        Operator("softmax", values),
        Operator("norm", values),  # from the values to one number per token
        *[over_tokens] * 7,
        kept,  # gather
        dropped,  # gather of what is dropped
        dropped,  # and its mean
        kept,  # concat
    )


def _linear(rows: Int64 | int, in_features: int, out_features: int) -> Operator:
    dims = {"rows": rows, "in_features": in_features, "out_features": out_features}
    return Operator("linear", dims)


def _residual(workload: Workload, rows: Int64) -> tuple[Operator, ...]:
    # A layer scale multiplies every feature: the traffic of an addition, a little less.
    add = Operator("add", {"rows": rows, "width": workload.dim})
    return (add, add) if workload.layer_scale else (add,)


def _stretch(
    workload: Workload, operators: OperatorModel, parts: Sequence[Operator], factor: float = 1.0
) -> _Stretch:
    """Operators in sequence at every count; `factor` scales them all."""
    zero = np.zeros(workload.tokens)
    total = _Stretch(0.0, zero, zero)
    for part in parts:
        launch_ns = factor * operators.launch_ns.of(part.kind)
        busy_ns = factor * operators.busy_ns(part.kind, dtype=workload.dtype, **part.dims)
        # The errors are taken as fully shared: one device, one clock, one model of it.
        error_ns = (launch_ns + busy_ns) * operators.relative_error.of(part.kind)
        total = total.then(_Stretch(launch_ns, busy_ns, error_ns))
    return total


def _ends(workload: Workload, operators: OperatorModel) -> _Stretch:
    """Patch embedding, position and prefix, final norm and head, at the full count."""
    rows = workload.batch * workload.tokens
    add = Operator("add", {"rows": rows, "width": workload.dim})
    patches = _linear(workload.batch * workload.patches, workload.patch_inputs, workload.dim)
    parts = [add, Operator("norm", {"rows": rows, "width": workload.dim})]
    parts += [add] if workload.prefix else []  # concat
    if workload.classes:
        parts.append(_linear(workload.batch, workload.dim, workload.classes))
    embedding = _stretch(workload, operators, [patches], operators.patch_factor)
    return embedding.then(_stretch(workload, operators, parts))


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
    if most > high:  # too few rows are where schedules seldom go; their error says it
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
