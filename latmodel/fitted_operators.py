"""Operators fitted to timings: the model, what of it was timed, how far it was off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from latmodel.errors import ProfileError
from latmodel.operator_kinds import STREAMS
from latmodel.operator_rivals import Errors
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.profile import ErrorFigure
from latmodel.streams import StreamModel

__all__ = ["FittedOperators", "PartErrors", "merged", "sharing"]

MOST_PERCENT = 15.0
"""The held-out error up to which measured operators deserve more than low confidence."""


class PartErrors(NamedTuple):
    """One kind and dtype, on readings that its fit never saw.

    Attributes:
        kind: a key of `DIMS`.
        dtype: the number format.
        rows: readings held out.
        seen: readings fitted to.
        errors: of the fitted model.
        rivals: of simpler predictors, by name.
    """

    kind: str
    dtype: str
    rows: int
    seen: int
    errors: Errors
    rivals: tuple[tuple[str, Errors], ...] = ()

    @property
    def figure(self) -> ErrorFigure:
        """As a profile states it."""
        return ErrorFigure(
            what=f"{self.kind} in {self.dtype}, shapes held out",
            mean_percent=round(self.errors.mean, 1),
            rows=self.rows,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedOperators:
    """An operator model, and how each of its parts is known.

    Attributes:
        model: answers for whole models in each of its dtypes.
        held_out: one entry per kind and dtype that was timed.
        shared: pairs of a dtype and the one whose timings stand in for it.
        assumed: what was taken for granted, in sentences.
    """

    model: OperatorModel
    held_out: tuple[PartErrors, ...]
    shared: tuple[tuple[str, str], ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def derived(self) -> tuple[tuple[str, str], ...]:
        """Kind and dtype of what was not timed, but for dtypes that are shared."""
        timed = {(entry.kind, entry.dtype) for entry in self.held_out}
        borrowed = {dtype for dtype, _ in self.shared}
        parts: tuple[ProductModel | StreamModel, ...]
        parts = (*self.model.products, *self.model.streams)
        return tuple(
            (kind, dtype)
            for part in parts
            for kind in part.kinds
            for dtype in part.dtypes
            if (kind, dtype) not in timed and dtype not in borrowed
        )

    @property
    def confidence(self) -> str:
        """What the profile deserves: "medium" or "low", by its weakest dtype.

        Medium where linear, bmm or fused attention, and all streams were timed, each with a
        held-out error up to `MOST_PERCENT`. "high" is for workloads that were timed whole.
        """
        sound = {
            (entry.kind, entry.dtype)
            for entry in self.held_out
            if entry.errors.mean <= MOST_PERCENT
        }
        dtypes = set(self.model.dtypes) - {dtype for dtype, _ in self.shared}
        whole = (
            {("linear", dtype), *((kind, dtype) for kind in STREAMS)} <= sound
            and ({("bmm", dtype), ("attention", dtype)} & sound)
            for dtype in dtypes
        )
        return "medium" if all(whole) and not self.shared else "low"

    def measured(self) -> str:
        """What was timed, in words."""
        return "; ".join(
            f"{dtype}: "
            + ", ".join(
                f"{entry.kind} ({entry.seen + entry.rows} timings)"
                for entry in self.held_out
                if entry.dtype == dtype
            )
            for dtype in dict.fromkeys(entry.dtype for entry in self.held_out)
        )

    def derivations(self) -> Iterator[str]:
        """What was derived, and how, in words; one sentence each."""
        for dtype in dict.fromkeys(dtype for _, dtype in self.derived):
            kinds = [kind for kind, other in self.derived if other == dtype]
            streams = [kind for kind in kinds if kind in STREAMS]
            if "bmm" in kinds:
                yield f"{dtype}: bmm from the kernels of its linears"
            if streams:
                yield (
                    f"{dtype}: {', '.join(streams)} from the specified bandwidth and the "
                    "launch of its linears"
                )
        for dtype, timed in self.shared:
            yield f"{dtype} as {timed}, whose kernels it shares; not timed in {dtype}"

    def warnings(self) -> tuple[str, ...]:
        """What every use of the profile must say."""
        said = [f"derived, not timed: {sentence}" for sentence in self.derivations()]
        said += [
            f"{entry.kind} in {entry.dtype} was off by {entry.errors.mean:.0f} % in the mean "
            "on shapes held out"
            for entry in self.held_out
            if entry.errors.mean > MOST_PERCENT
        ]
        return tuple(said)


def merged(parts: Sequence[FittedOperators]) -> FittedOperators:
    """One model of what was timed apart, on cards of one kind or with other harnesses.

    The shortest gap holds for all: a longer one would be charged to every launch of the others,
    while a kernel timed alone loses at most the little that its own launch is longer. Likewise
    the longest dispatch, which changes nothing where a launch is longer. The mode is that of
    the first.

    Raises:
        ProfileError: two parts know the same kind in the same dtype.
    """
    models = [part.model for part in parts]
    return FittedOperators(
        model=OperatorModel(
            products=tuple(product for model in models for product in model.products),
            streams=tuple(stream for model in models for stream in model.streams),
            gap_ns=min(model.gap_ns for model in models),
            dispatch_ns=max(model.dispatch_ns for model in models),
            patch_factor=models[0].patch_factor,
            mode=models[0].mode,
        ),
        held_out=tuple(entry for part in parts for entry in part.held_out),
        shared=tuple(pair for part in parts for pair in part.shared),
        assumed=tuple(sentence for part in parts for sentence in part.assumed),
    )


def sharing(fitted: FittedOperators, *, timed: str, also: str) -> FittedOperators:
    """Let what was fitted in one dtype answer for another of equal width.

    Args:
        fitted: knows `timed`.
        timed: the dtype that was timed, as bf16.
        also: the other, as fp16: tensor cores run both at one speed, by equal kernels.

    Raises:
        ProfileError: `timed` is not known, or `also` is.
    """
    model = fitted.model
    if timed not in model.dtypes or also in model.dtypes:
        raise ProfileError(
            f"{also} cannot share what was timed in {timed}: the model knows "
            f"{', '.join(model.dtypes)}"
        )

    def wider(dtypes: tuple[str, ...]) -> tuple[str, ...]:
        return (*dtypes, also) if timed in dtypes else dtypes

    return replace(
        fitted,
        model=replace(
            model,
            products=tuple(replace(p, dtypes=wider(p.dtypes)) for p in model.products),
            streams=tuple(replace(s, dtypes=wider(s.dtypes)) for s in model.streams),
        ),
        shared=(*fitted.shared, (also, timed)),
    )
