"""A shipped operator model and a few readings of the real board in, that board's model out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy.optimize import least_squares

from latmodel.cost_pieces import Pieces, take_apart
from latmodel.errors import MeasurementError
from latmodel.operator_kinds import DIMS, Span
from latmodel.operators import SPANS
from latmodel.products import ProductModel
from latmodel.scaling import by_kind, named_parts, scaled
from latmodel.slowdowns import Floats
from latmodel.streams import StreamModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from latmodel.operator_readings import OperatorReadings
    from latmodel.operators import OperatorModel

__all__ = ["LEAST_PROBES", "Calibrated", "calibrate"]

LEAST_PROBES = 3
"""Two shapes must be left to fit to when one is held out."""

NOISE = 0.1
"""By how much a sound prediction may be off: larger errors pull less and less. A probe is read
to 1 or 2 %; the rest is what no factor explains, such as another choice of kernel."""

_MOST_FOLDS = 40
"""Fits in a cross-validation at most; up to so many shapes, each is left out alone."""

_LEAST_ROWS = 5
"""Probes of one kind below which its error is taken from all products or from all streams, and
from all probes where those are too few as well."""


_Known = TypeVar("_Known", ProductModel, StreamModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What a few readings of a board made of a model.

    Attributes:
        model: the board's, a part for every kind; each part's `relative_error` is that of the
            probes when left out.
        logs: the logarithm of each factor that was fitted, by name (see `Factor`).
        before_percent: the mean absolute error of the model as it was, on the probes.
        after_percent: the same of the board's model, each probe predicted by a fit that had
            not seen its shape.
        rows: readings.
        folds: fits of the cross-validation; as many as shapes where each was left out alone.
        shapes: operators among them that differ in kind, dtype or a dimension.
    """

    model: OperatorModel
    logs: Mapping[str, float]
    before_percent: float
    after_percent: float
    rows: int
    folds: int
    shapes: int


def calibrate(model: OperatorModel, readings: Sequence[OperatorReadings]) -> Calibrated:
    """Refine a model by a few readings of single operators, taken on the real board.

    Minimises, over the logarithms of the factors of `factors_of`,

        sum softl1(log(predicted / read) / NOISE) + sum (log / width) ** 2

    Shared factors (one for all launches, one for all computing, one for all memory) have wide
    priors, those of single kinds, parts and kernels narrow ones. So five probes move what all
    operators have in common and forty tell them apart, without a rule that counts them, and
    nothing is chosen by the error that is stated afterwards.

    Args:
        model: what is known of such boards.
        readings: operators run and waited for alone, one or more of each kind.

    Raises:
        MeasurementError: there are fewer than `LEAST_PROBES` shapes.
        ProfileError: the model does not know a kind or a dtype.
    """
    shapes = _shapes(readings)
    count = int(shapes.max(initial=-1)) + 1
    if count < LEAST_PROBES:
        raise MeasurementError(
            f"{count} different operators were read: a calibration needs {LEAST_PROBES} or more"
        )
    model = by_kind(_with_dispatch(model))
    pieces = take_apart(model, readings)
    read = np.log(np.concatenate([each.latency_ns for each in readings]))
    logs = _fit(pieces, read)
    named = {f.name: float(log) for f, log in zip(pieces.factors, logs, strict=True)}
    board = scaled(model, named)
    # Where a factor makes another kernel run or another leaf answer, the pieces do not know.
    unseen = _predicted(board, readings) - np.log(pieces.latency_ns(logs))
    folds = min(count, _MOST_FOLDS)
    errors = _left_out(pieces, read, shapes % folds) + unseen
    before = _predicted(model, readings) - read
    return Calibrated(
        model=_stating(board, readings, pieces.part, errors),
        logs=named,
        before_percent=_mean_percent(before),
        after_percent=_mean_percent(errors),
        rows=len(read),
        folds=folds,
        shapes=count,
    )


def _shapes(readings: Sequence[OperatorReadings]) -> npt.NDArray[np.int64]:
    """A number for every reading, the same for repeats of one operator."""
    keys = [
        (each.kind, each.dtype, *sizes)
        for each in readings
        for sizes in zip(*(each.sizes[name].tolist() for name in DIMS[each.kind]), strict=True)
    ]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def _with_dispatch(model: OperatorModel) -> OperatorModel:
    """The model with the host's dispatch inside its launches, as a board's readings hold it."""
    if not model.dispatch_ns:
        return model
    device_ns = min(ns for _, part in named_parts(model) for ns in part.launch_ns)
    return replace(
        model,
        products=tuple(_dispatched(part, model.dispatch_ns) for part in model.products),
        streams=tuple(_dispatched(part, model.dispatch_ns) for part in model.streams),
        gap_ns=model.gap_ns or device_ns,
        dispatch_ns=0.0,
    )


def _dispatched(part: _Known, dispatch_ns: float) -> _Known:
    return replace(part, launch_ns=tuple(max(ns, dispatch_ns) for ns in part.launch_ns))


def _fit(pieces: Pieces, read: Floats) -> Floats:
    """The logarithms of the factors that explain log latencies, shape (n,), best."""
    widths = np.array([factor.width for factor in pieces.factors])

    def residuals(logs: Floats) -> Floats:
        errors = (np.log(pieces.latency_ns(logs)) - read) / NOISE
        # The square of this is the soft L1 loss; scipy's own would soften the priors too.
        softened = np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
        return np.concatenate([softened, logs / widths])

    found: Floats = least_squares(residuals, np.zeros(len(widths)), xtol=1e-6).x
    return found


def _left_out(pieces: Pieces, read: Floats, fold: npt.NDArray[np.int64]) -> Floats:
    """Log errors, shape (n,), each by a fit to the readings of the other folds."""
    errors = np.zeros(len(read))
    for number in np.unique(fold):
        out = fold == number
        logs = _fit(pieces.where(~out), read[~out])
        errors[out] = np.log(pieces.where(out).latency_ns(logs)) - read[out]
    return errors


def _predicted(model: OperatorModel, readings: Sequence[OperatorReadings]) -> Floats:
    """The log latency that a model gives for every reading."""
    latencies = [
        np.broadcast_to(
            model.latency_ns(each.kind, dtype=each.dtype, **each.sizes), (len(each),)
        )
        for each in readings
    ]
    return np.log(np.concatenate(latencies))


def _mean_percent(errors: Floats) -> float:
    """The mean absolute error of predictions, from log errors, in percent of the reading."""
    return float(100 * np.mean(np.abs(np.expm1(errors))))


def _stating(
    model: OperatorModel,
    readings: Sequence[OperatorReadings],
    part: npt.NDArray[np.int64],
    errors: Floats,
) -> OperatorModel:
    """The model, each part that was read with its new error and the ranges it now knows."""
    first = len(model.products)

    def stating(index: int, known: _Known) -> _Known:
        own = errors[part == index]
        if not len(own):  # its factors moved with the others', so it is no better known
            pooled = round(_root_mean_square(errors), 4)
            return replace(known, relative_error=max(known.relative_error, pooled))
        alike = errors[(part < first) == (index < first)]  # products, or streams
        enough = (each for each in (own, alike) if len(each) >= _LEAST_ROWS)
        error = _root_mean_square(next(enough, errors))
        mine = [r for r in readings if r.kind in known.kinds and r.dtype in known.dtypes]
        return replace(known, relative_error=round(error, 4), fitted=_spans(known.fitted, mine))

    return replace(
        model,
        products=tuple(stating(index, p) for index, p in enumerate(model.products)),
        streams=tuple(stating(index, s) for index, s in enumerate(model.streams, first)),
    )


def _root_mean_square(errors: Floats) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _spans(known: tuple[Span, ...], readings: Sequence[OperatorReadings]) -> tuple[Span, ...]:
    """The ranges that were known, widened to those of the readings."""
    ends = {span.name: [span.low, span.high] for span in known}
    for each in readings:
        for name, dim in SPANS[each.kind].items():
            sizes = each.sizes[dim]
            low, high = int(sizes.min()), int(sizes.max())
            before = ends.get(name, [low, high])
            ends[name] = [min(low, before[0]), max(high, before[1])]
    return tuple(Span(name, low, high) for name, (low, high) in ends.items())
