"""Operators to blocks, blocks to a latency table, for any plain vision transformer."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latmodel.block_operators import (
    Use,
    attention_half,
    cut_operators,
    embedding_operators,
    head_operators,
    mlp_half,
    prefix_attention_half,
)
from latmodel.ending import Ending
from latmodel.errors import ProfileError
from latmodel.evaluating import Evaluated, evaluate
from latmodel.fitted_ranges import outside
from latmodel.fused_attention import ATTENTIONS, with_fused_attention
from latmodel.operator_kinds import itemsize
from latmodel.stretches import Stretch, require_mode
from latmodel.table import LatencyTable, ceil_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from latmodel.operators import OperatorModel
    from latmodel.workload import Workload

__all__ = ["Composition", "Placed", "compose", "composed_dtypes"]

_WAYS = {
    "eager": "eager: the slower of host and device",
    "graph": "graph: the device alone, nothing dispatched",
    "sum": "sum: every operator waited for",
}

_KINDS = ("linear", "bmm", "softmax", "norm", "gelu", "add")
"""What a model and its cuts are made of; fused attention stands in for no other kind."""


class Placed(NamedTuple):
    """An operator in its place, and what it costs there, all repeats together."""

    use: Use
    cost: Evaluated


def composed_dtypes(operators: OperatorModel) -> tuple[str, ...]:
    """The number formats in which whole models can be composed."""
    return tuple(
        dtype
        for dtype in operators.dtypes
        if all(operators.knows(kind, dtype) for kind in _KINDS)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """A workload's operators, evaluated at every token count.

    Attributes:
        workload: what runs.
        operators: the device, with fused attention where it was derived.
        attention: how attention runs, in words.
        derived: whether fused attention was derived, not read.
        parts: `attention` and `mlp` halves and `cut`, at every count or, where the count
            does not matter, once; `embedding` and `head`, once. Where the head reads the
            prefix alone, `last attention` at every count and `last mlp`, once.
    """

    workload: Workload
    operators: OperatorModel
    attention: str
    derived: bool
    parts: Mapping[str, tuple[Placed, ...]]

    @classmethod
    def of(
        cls, workload: Workload, operators: OperatorModel, *, attention: str | None = None
    ) -> Composition:
        """Evaluate a workload's operators; arguments as in `compose`.

        Raises:
            ProfileError: the model lacks a kind of operator in the workload's dtype.
        """
        model, fused = _with_attention(operators, workload.dtype, attention)
        counts = np.arange(1, workload.tokens + 1, dtype=np.int64)
        uses = {
            "attention": attention_half(workload, counts, fused=fused),
            "mlp": mlp_half(workload, counts),
            "cut": cut_operators(workload, counts),
            "embedding": embedding_operators(workload),
            "head": head_operators(workload),
        }
        if workload.prefix_head and workload.depth > 1:
            uses["last attention"] = prefix_attention_half(workload, counts, fused=fused)
            uses["last mlp"] = mlp_half(workload, np.array([workload.prefix]))
        every = [use for part in uses.values() for use in part]
        _require_kinds(workload, model, every)
        costs = evaluate(model, [use.operator for use in every], dtype=workload.dtype)
        placed = iter(zip(every, costs, strict=True))
        return cls(
            workload=workload,
            operators=model,
            attention="fused" if fused else "unfused",
            derived=model is not operators,
            parts={
                name: tuple(
                    _placed(use, cost, model) for use, cost in islice(placed, len(part))
                )
                for name, part in uses.items()
            },
        )

    def stretch(self, *names: str) -> Stretch:
        """Some parts, one after the other."""
        stretches = [each.cost.stretch for name in names for each in self.parts[name]]
        return functools.reduce(Stretch.then, stretches)

    def ends(self) -> Stretch:
        """What no cut changes: embedding, the first attention at the full count, head."""
        return self.stretch("attention").at(-1).then(self.stretch("embedding", "head"))

    def table(self, mode: str) -> LatencyTable:
        """The latency table in one of `MODES`."""
        workload, mlp = self.workload, self.stretch("mlp")
        block = mlp.then(self.stretch("attention"))
        cut_ns = ceil_ns(self.stretch("cut").latency_ns(mode))
        segments = np.tile(block.latency_ns(mode), (workload.depth, 1))
        segments[-1] = mlp.latency_ns(mode)
        return LatencyTable(
            counts=np.arange(1, workload.tokens + 1, dtype=np.int64),
            segment_ns=ceil_ns(segments),
            cut_ns=np.tile(cut_ns, (workload.depth, 1)),
            fixed_ns=int(ceil_ns(self.ends().latency_ns(mode))[0]),
            relative_error=block.relative_error(mode),
            origin=self.origin(mode),
            warnings=tuple(self._warnings(mode)),
            ending=self._ending(mode),
        )

    def _ending(self, mode: str) -> Ending | None:
        """The last block where only the prefix leaves it; None where the head reads more."""
        if "last mlp" not in self.parts:
            return None
        return Ending(
            prefix=self.workload.prefix,
            segment_ns=ceil_ns(self.stretch("mlp", "last attention").latency_ns(mode)),
            mlp_ns=int(ceil_ns(self.stretch("last mlp").latency_ns(mode))[0]),
        )

    def origin(self, mode: str) -> str:
        """What the numbers are made from, in words."""
        workload = self.workload
        derived = " (derived from bmm)" if self.derived else ""
        return (
            f"operator model ({_WAYS[mode]}), composed for {workload.model} at batch "
            f"{workload.batch} in {workload.dtype}, attention {self.attention}{derived}"
        )

    def doubts(self, mode: str) -> Iterator[str]:
        """What a user must know, whatever the token count."""
        if self.workload.left_out:
            yield (
                f"{self.workload.model} is {self.workload.kind}: its latency leaves out "
                f"{self.workload.left_out}; measure the cut model before you rely on the budget"
            )
        if self.derived:
            yield (
                "fused attention was not read on this device: it is derived from bmm, as one "
                "launch, the arithmetic of both products and no map of scores in memory; its "
                "error is a guess"
            )
        if mode == "graph" and self.operators.gap_ns == 0:
            yield (
                "the readings do not tell the device's part of a launch (gap_ns is 0), which "
                "a graph still pays: its latency is a lower bound"
            )

    def _warnings(self, mode: str) -> Iterator[str]:
        yield from self.doubts(mode)
        placed = (each.use.operator for part in self.parts.values() for each in part)
        dtype = self.workload.dtype
        found = outside(self.operators, placed, dtype=dtype, few_allowed=True)
        if found:
            yield (
                "asked outside the readings, where latency is extrapolated and its error "
                f"grows: {', '.join(map(str, found))}"
            )


def compose(
    workload: Workload,
    operators: OperatorModel,
    *,
    mode: str | None = None,
    attention: str | None = None,
) -> LatencyTable:
    """The latency table of a workload, from its operators at every token count.

    `Stretch` says what a stretch of operators takes in each mode. In eager mode the slower
    of host and device is taken for each segment, which bounds that of the whole model from
    above; where it is the host, fewer tokens save nothing.

    Args:
        workload: what runs; every count from 1 to its `tokens` becomes a column.
        operators: the device.
        mode: one of `MODES`; None takes the operator model's.
        attention: "fused": one kernel, derived from bmm where it was not read; "unfused":
            product, softmax, product; None: fused where it was read, and in 16 bits, where
            torch has a fused kernel, which timm runs, on every device there is a profile of.

    Raises:
        ProfileError: the model lacks a kind of operator in the workload's dtype, or the
            mode or the attention is none.
    """
    chosen = operators.mode if mode is None else mode
    require_mode(chosen)
    return Composition.of(workload, operators, attention=attention).table(chosen)


def _with_attention(
    operators: OperatorModel, dtype: str, attention: str | None
) -> tuple[OperatorModel, bool]:
    """The model with attention as asked, and whether it is fused."""
    if attention not in (None, *ATTENTIONS):
        raise ProfileError(
            f"attention is {attention!r}: must be one of {', '.join(ATTENTIONS)}"
        )
    if attention == "unfused" or operators.knows("attention", dtype):
        return operators, attention != "unfused"
    halved = itemsize(dtype) == 2 and operators.knows("bmm", dtype)
    if attention is None and not halved:
        return operators, False
    return with_fused_attention(operators, dtype), True


def _require_kinds(workload: Workload, operators: OperatorModel, uses: Sequence[Use]) -> None:
    """Refuse a dtype in which some kind is unknown, naming all such kinds at once."""
    kinds = dict.fromkeys(use.operator.kind for use in uses)
    missing = [kind for kind in kinds if not operators.knows(kind, workload.dtype)]
    if missing:
        whole = ", ".join(composed_dtypes(operators)) or "none"
        raise ProfileError(
            f"dtype is {workload.dtype!r}: the operator model does not know "
            f"{', '.join(missing)} in it; number formats in which it knows all that a "
            f"vision transformer needs: {whole}"
        )


def _placed(use: Use, cost: Evaluated, operators: OperatorModel) -> Placed:
    # A patch embedding is a convolution; all of it, launch included, was read as a multiple.
    factor = operators.patch_factor if use.role == "patch embedding" else 1.0
    return Placed(use, cost._replace(stretch=cost.stretch.repeated(use.repeats * factor)))
