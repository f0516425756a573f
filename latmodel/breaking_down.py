"""Where a model's latency goes, operator by operator, at one token count."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latmodel.block_operators import ROLES
from latmodel.breakdown import Breakdown, BreakdownRow
from latmodel.composing import Composition
from latmodel.errors import ProfileError
from latmodel.fitted_ranges import outside
from latmodel.operator_kinds import Operator
from latmodel.stretches import require_mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from latmodel.composing import Placed
    from latmodel.operators import OperatorModel
    from latmodel.slowdowns import Floats
    from latmodel.table import Int64
    from latmodel.workload import Workload

__all__ = ["break_down"]


class _Part(NamedTuple):
    """An operator somewhere in the model, with what is felt of it."""

    placed: Placed
    shape: int  # which of those that were evaluated
    runs: int  # how often its stretch runs
    latency_ns: float
    error_ns: float


def break_down(
    workload: Workload,
    operators: OperatorModel,
    tokens: int,
    *,
    mode: str | None = None,
    attention: str | None = None,
) -> Breakdown:
    """Where the latency of `compose` goes when every block keeps `tokens`.

    Below the full count, the first block's attention still sees all tokens, and one cut is
    paid. In eager mode each segment is felt at the speed of the host or of the device, and
    its operators count by that one alone.

    Args:
        workload: what runs.
        operators: the device.
        tokens: from 1 to the workload's.
        mode: as in `compose`.
        attention: as in `compose`.

    Raises:
        ProfileError: as in `compose`, or the model does not run so many tokens.
    """
    if not 1 <= tokens <= workload.tokens:
        raise ProfileError(f"tokens is {tokens}: {workload.model} runs 1 to {workload.tokens}")
    chosen = operators.mode if mode is None else mode
    require_mode(chosen)
    composition = Composition.of(workload, operators, attention=attention)
    table = composition.table(chosen)
    schedule = (tokens,) * workload.depth
    total_ns = table.latency_ns(schedule)
    parts = tuple(_parts(composition, tokens, chosen))
    by_role: dict[str, list[_Part]] = {}
    for part in parts:
        by_role.setdefault(part.placed.use.role, []).append(part)
    roles = [role for role in ROLES if role in by_role]
    felt_ns = np.array([sum(part.latency_ns for part in by_role[role]) for role in roles])
    shares = _whole_ns(felt_ns, total_ns)
    return Breakdown(
        tokens=tokens,
        mode=chosen,
        rows=tuple(
            _row(composition, by_role[role], int(latency_ns), total_ns)
            for role, latency_ns in zip(roles, shares, strict=True)
        ),
        latency_ns=total_ns,
        relative_error=table.relative_error_of(schedule),
        origin=composition.origin(chosen),
        warnings=tuple(composition.doubts(chosen)),
        outside=_outside(composition, parts),
    )


def _parts(composition: Composition, tokens: int, mode: str) -> Iterator[_Part]:
    """Every operator of the model, stretch by stretch."""
    workload, last = composition.workload, tokens - 1
    full = workload.tokens - 1
    first = [("attention", full), ("embedding", full), ("head", full)]
    yield from _felt(composition, first, 1, mode)
    if tokens < workload.tokens:
        yield from _felt(composition, [("cut", last)], 1, mode)
    yield from _felt(composition, [("mlp", last)], 1, mode)
    if workload.depth > 1:
        block = [("mlp", last), ("attention", last)]
        yield from _felt(composition, block, workload.depth - 1, mode)


def _felt(
    composition: Composition, stretch: Sequence[tuple[str, int]], times: int, mode: str
) -> Iterator[_Part]:
    """The operators of one stretch, which is felt as a whole, at one shape each."""
    placed = [(each, index) for name, index in stretch for each in composition.parts[name]]
    costs = [each.cost.stretch.at(index) for each, index in placed]
    whole = costs[0]
    for cost in costs[1:]:
        whole = whole.then(cost)
    row = int(whole.felt(mode)[0])
    for (each, index), cost in zip(placed, costs, strict=True):
        latency_ns, error_ns = cost.times_ns[row, 0], cost.errors_ns[row, 0]
        yield _Part(each, index, times, times * float(latency_ns), times * float(error_ns))


def _row(
    composition: Composition, parts: Sequence[_Part], latency_ns: int, total_ns: int
) -> BreakdownRow:
    uses = [part.placed.use for part in parts]
    costs = [part.placed.cost.stretch.at(part.shape).repeated(part.runs) for part in parts]
    felt_ns = sum(part.latency_ns for part in parts)
    error_ns = sum(part.error_ns for part in parts)
    return BreakdownRow(
        role=uses[0].role,
        kinds=tuple(dict.fromkeys(use.operator.kind for use in uses)),
        count=sum(part.runs * part.placed.use.repeats for part in parts),
        launch_ns=float(sum(cost.host_ns[0] for cost in costs)),
        busy_ns=float(sum(cost.device_ns[0] for cost in costs)),
        latency_ns=latency_ns,
        share=latency_ns / max(total_ns, 1),
        relative_error=error_ns / felt_ns if felt_ns > 0 else 0.0,
        outside=_outside(composition, parts),
    )


def _outside(composition: Composition, parts: Sequence[_Part]) -> tuple[str, ...]:
    """What is asked outside the readings, in words."""
    found = outside(
        composition.operators,
        [_at(part.placed.use.operator, part.shape) for part in parts],
        dtype=composition.workload.dtype,
        few_allowed=False,
    )
    return tuple(map(str, found))


def _at(operator: Operator, index: int) -> Operator:
    """One shape of an operator."""
    sizes = {name: np.atleast_1d(size) for name, size in operator.dims.items()}
    return Operator(
        operator.kind,
        {name: size if len(size) == 1 else size[index] for name, size in sizes.items()},
    )


def _whole_ns(parts_ns: Floats, total_ns: int) -> Int64:
    """Parts in whole nanoseconds that add up to the total, which is rounded up itself."""
    ends = np.cumsum(parts_ns)
    if ends[-1] <= 0:
        return np.zeros(len(parts_ns), dtype=np.int64)
    whole = np.round(ends / ends[-1] * total_ns).astype(np.int64)
    whole[-1] = total_ns
    parts: Int64 = np.diff(whole, prepend=0)
    return parts
