"""The operator model: what one operator costs on one device, from its shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latmodel.errors import FieldError, ProfileError
from latmodel.operator_kinds import STREAMS, Span, checked_sizes
from latmodel.products import ProductModel
from latmodel.slowdowns import Floats, require_not_negative
from latmodel.streams import StreamModel
from latmodel.stretches import MODES, require_mode

if TYPE_CHECKING:
    import numpy.typing as npt

    from latmodel.fields import Fields

__all__ = ["SPANS", "OperatorCost", "OperatorModel"]


class OperatorCost(NamedTuple):
    """One operator, taken apart; arrays of the shape asked for.

    Attributes:
        launch_ns: what it costs however small it is, when it is run and waited for alone.
        busy_ns: how long it keeps the device computing or moving.
        relative_error: one standard deviation of the sum, as a fraction; larger outside the
            range of the readings.
        beyond: the log of how far it lies outside that range; 0 inside.
    """

    launch_ns: Floats
    busy_ns: Floats
    relative_error: Floats
    beyond: Floats

    @property
    def latency_ns(self) -> Floats:
        """Run alone and waited for: launch and busy, one after the other."""
        return np.asarray(self.launch_ns + self.busy_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorModel:
    """Latency of every operator of a vision transformer on one device.

    Attributes:
        products: models of the matrix products; one for each kind and dtype at most.
        streams: models of the elementwise operators; likewise.
        gap_ns: the part of a launch that the device itself takes, between one kernel of a
            graph and the next.
        dispatch_ns: what the host takes to dispatch one operator in eager mode, at least,
            where the readings hold no dispatch (kernels timed in a graph).
        patch_factor: a patch embedding's convolution over the linear of the same shape.
        mode: how operators run unless the caller says otherwise, one of `MODES`.

    Raises:
        ProfileError: a number is negative, there is no product or no stream, a kind and
            dtype have two models, or the mode is none.
    """

    products: tuple[ProductModel, ...]
    streams: tuple[StreamModel, ...]
    gap_ns: float = 0.0
    dispatch_ns: float = 0.0
    patch_factor: float = 1.0
    mode: str = "eager"

    def __post_init__(self) -> None:
        require_not_negative(
            gap_ns=self.gap_ns, dispatch_ns=self.dispatch_ns, patch_factor=self.patch_factor
        )
        require_mode(self.mode)
        if not self.products or not self.streams:
            raise ProfileError("products and streams must each hold at least one model")
        pairs = [(kind, d) for part in self._parts for kind in part.kinds for d in part.dtypes]
        for kind, dtype in pairs:
            if pairs.count((kind, dtype)) > 1:
                raise ProfileError(f"{kind} in {dtype} has two models: allowed is one")

    @property
    def _parts(self) -> tuple[ProductModel | StreamModel, ...]:
        return (*self.products, *self.streams)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The number formats in which linear layers are known."""
        return tuple(d for part in self.products if "linear" in part.kinds for d in part.dtypes)

    def knows(self, kind: str, dtype: str) -> bool:
        """Whether there is a model of this operator in this number format."""
        return any(kind in part.kinds and dtype in part.dtypes for part in self._parts)

    def launch_of(self, kind: str, *, dtype: str = "fp32") -> float:
        """What an operator of this kind costs however small it is, in ns.

        Raises:
            ProfileError: the model does not know the kind in this number format.
        """
        return self._part(kind, dtype).launch_of(kind)

    def fitted(self, kind: str, *, dtype: str = "fp32") -> tuple[Span, ...]:
        """The ranges that a kind was read in, by the names of its own dimensions.

        Raises:
            ProfileError: the model does not know the kind in this number format.
        """
        names = SPANS[kind]
        spans = self._part(kind, dtype).fitted
        return tuple(Span(names[s.name], s.low, s.high) for s in spans if s.name in names)

    def latency_ns(self, kind: str, *, dtype: str = "fp32", **dims: npt.ArrayLike) -> Floats:
        """The latency of one operator that is run and waited for alone, in ns.

        Args:
            kind: a key of `DIMS`.
            dtype: a number format that the model knows.
            dims: exactly the dimensions that `DIMS` names for the kind, each a positive
                number or an array; arrays are broadcast against each other.

        Raises:
            ProfileError: the kind or the dtype is unknown, a dimension is missing, unknown
                or not positive, or shapes do not fit together.
        """
        return self.cost(kind, dims, dtype=dtype).latency_ns

    def cost(
        self, kind: str, dims: Mapping[str, npt.ArrayLike], *, dtype: str = "fp32"
    ) -> OperatorCost:
        """One operator, taken apart. Arguments and errors as in `latency_ns`."""
        sizes = checked_sizes(kind, dims)
        part = self._part(kind, dtype)
        busy_ns, factor = part.busy_ns(kind, sizes, dtype=dtype)
        beyond = _beyond(part, kind, sizes, busy_ns.shape)
        return OperatorCost(
            # numpy makes plain numbers of arrays without dimensions: arrays again.
            launch_ns=np.asarray(part.launch_of(kind) * factor),
            busy_ns=np.asarray(busy_ns * factor),
            # At e times the greatest size that was read, the stated error is doubled: a
            # rule of thumb, as only readings there could tell.
            relative_error=np.asarray(part.relative_error * (1.0 + beyond)),
            beyond=beyond,
        )

    def _part(self, kind: str, dtype: str) -> ProductModel | StreamModel:
        for part in self._parts:
            if kind in part.kinds and dtype in part.dtypes:
                return part
        known = [d for part in self._parts if kind in part.kinds for d in part.dtypes]
        if not known:
            kinds = dict.fromkeys(kind for part in self._parts for kind in part.kinds)
            raise ProfileError(
                f"operator kind is {kind!r}: the operator model knows {', '.join(kinds)}"
            )
        raise ProfileError(
            f"dtype is {dtype!r}: the operator model knows {', '.join(known)} for {kind}"
        )

    def to_dict(self) -> dict[str, object]:
        """As plain values, in the order a person reads them."""
        return {
            "mode": self.mode,
            "gap_ns": float(self.gap_ns),
            "dispatch_ns": float(self.dispatch_ns),
            "patch_factor": float(self.patch_factor),
            "products": [part.to_dict() for part in self.products],
            "streams": [part.to_dict() for part in self.streams],
        }

    @classmethod
    def from_fields(cls, source: Fields) -> OperatorModel:
        """Read an operator model; the inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type, negative or NaN.
        """
        try:
            model = cls(
                mode=source.choice("mode", MODES) if source.has("mode") else "eager",
                gap_ns=source.number("gap_ns", minimum=0),
                dispatch_ns=source.number("dispatch_ns", minimum=0),
                patch_factor=source.number("patch_factor", minimum=0),
                products=source.each("products", ProductModel.from_fields),
                streams=source.each("streams", StreamModel.from_fields),
            )
        except ProfileError as error:  # which starts with the field's name
            raise FieldError(source.path(str(error))) from None
        source.finish()
        return model


SPANS: Mapping[str, Mapping[str, str]] = {
    "linear": {"rows": "rows", "reduction": "in_features", "columns": "out_features"},
    "bmm": {"rows": "m", "reduction": "k", "columns": "n"},
    "attention": {"rows": "queries", "reduction": "keys", "columns": "head_dim"},
    **{kind: {"rows": "rows", "width": "width"} for kind in STREAMS},
}
"""What a part's fitted ranges are called among the dimensions of a kind."""


def _beyond(
    part: ProductModel | StreamModel,
    kind: str,
    sizes: Mapping[str, Floats],
    shape: tuple[int, ...],
) -> Floats:
    """How far each shape lies outside the readings, in its worst dimension."""
    worst = np.zeros(shape)
    for span in part.fitted:
        if span.name in SPANS[kind]:
            worst = np.maximum(worst, span.distance(sizes[SPANS[kind][span.name]]))
    return np.asarray(worst)
