"""Kinds of operator that nobody timed on a device, from those that were and from its sheet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from latmodel.errors import ProfileError
from latmodel.forest import Forest
from latmodel.operator_kinds import STREAMS
from latmodel.products import ProductModel
from latmodel.streams import StreamModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Completed", "completed", "derived_bmm", "derived_stream", "require_linears"]

SHARES = {"softmax": 0.65, "norm": 0.55, "gelu": 0.8, "add": 0.8}
"""Of the sheet's bandwidth, what a stream reaches once it is large.

Source:
    Medians over P4, T4, P100, V100, A100 (NeuSight's rows), A40 and A100 80GB (Vidur's),
    beyond the cache: 0.67, 0.60, 0.84, and 0.85 where two tensors were added.
"""

STREAM_ERROR = 0.25
"""One standard deviation of a derived stream, as a fraction.

Source:
    The same cards: the root mean square log error is 0.13 to 0.33, kind by kind, and 0.5 for
    the worst, the layer norm of an A40.
"""


BMM_ERROR = 0.4
"""One standard deviation of a derived bmm, as a fraction.

Source:
    Derived from the linears of T4, V100, A100, P100 and P4 (NeuSight's rows), their bmms are
    off by 32, 19, 29, 45 and 92 % in the mean; the root mean square log error is 0.34, 0.23,
    0.47, 0.41 and 0.68. A library picks other kernels for batched products.
"""


class Completed(NamedTuple):
    """Parts that answer for whole models.

    Attributes:
        products: those given, and those derived.
        streams: likewise.
    """

    products: tuple[ProductModel, ...]
    streams: tuple[StreamModel, ...]


def completed(
    parts: Sequence[ProductModel | StreamModel], *, sms: int, bandwidth_gb_s: float
) -> Completed:
    """Add what a whole model needs and nobody timed, for each dtype whose linears were.

    Args:
        parts: what was fitted; each of one kind and dtype.
        sms: multiprocessors (cores, on a CPU).
        bandwidth_gb_s: of the specification, in GB/s.

    Raises:
        ProfileError: a dtype lacks linears.
    """
    known = {(kind, dtype): p for p in parts for kind in p.kinds for dtype in p.dtypes}
    require_linears(known)
    products = [part for part in parts if isinstance(part, ProductModel)]
    streams = [part for part in parts if isinstance(part, StreamModel)]
    for linear in [part for part in products if "linear" in part.kinds]:
        (dtype,) = linear.dtypes
        if ("bmm", dtype) not in known:
            products.append(derived_bmm(linear))
        streams += [
            derived_stream(
                kind,
                dtype=dtype,
                sms=sms,
                bandwidth_gb_s=bandwidth_gb_s,
                launch_ns=linear.launch_of("linear"),
            )
            for kind in STREAMS
            if (kind, dtype) not in known
        ]
    return Completed(tuple(products), tuple(streams))


def require_linears(timed: Iterable[tuple[str, str]]) -> None:
    """Refuse timings in a dtype that lacks linears: nothing else can stand in for them.

    Args:
        timed: pairs of kind and dtype; at least one.

    Raises:
        ProfileError: names the dtype.
    """
    pairs = tuple(timed)
    for _, dtype in pairs:
        if ("linear", dtype) not in pairs:
            raise ProfileError(
                f"no linear was timed in {dtype}: its timings are the least that a number "
                "format needs; add rows of kind linear"
            )


def derived_bmm(linear: ProductModel) -> ProductModel:
    """Batched products by the kernels of linears, the fastest of which runs.

    The library's choice and the correction were learned from single products and are
    dropped, and no reduction is split: a batch fills the device without that.

    Args:
        linear: a part that knows linears.
    """
    return replace(
        linear,
        kinds=("bmm",),
        launch_ns=(linear.launch_of("linear"),),
        kernels=tuple(replace(k, splits=(1,), split_choice=None) for k in linear.kernels),
        choice=None,
        correction=Forest(()),
        relative_error=max(BMM_ERROR, linear.relative_error),
    )


def derived_stream(
    kind: str, *, dtype: str, sms: int, bandwidth_gb_s: float, launch_ns: float
) -> StreamModel:
    """A stream at its usual share of the sheet's bandwidth; see `SHARES`.

    Args:
        kind: a key of `STREAMS`.
        dtype: the number format.
        sms: multiprocessors (cores, on a CPU).
        bandwidth_gb_s: of the specification, in GB/s.
        launch_ns: of an operator that was timed.

    >>> stream = derived_stream("gelu", dtype="fp16", sms=40, bandwidth_gb_s=320.0,
    ...     launch_ns=2000.0)
    >>> stream.bandwidth_gb_s, stream.relative_error
    (256.0, 0.25)
    """
    return StreamModel(
        kinds=(kind,),
        dtypes=(dtype,),
        sms=sms,
        bandwidth_gb_s=SHARES[kind] * bandwidth_gb_s,
        launch_ns=(launch_ns,),
        relative_error=STREAM_ERROR,
    )
