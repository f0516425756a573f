"""How far a fit of the Jetson AGX Orin is from models whose readings it never saw."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jetson_fitting import Mode, Readings, fit_mode
from jetson_readings import MODELS, Row, data_folder, read_totals

from latmodel.operator_fitting import parameters, predict_ns, with_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from latmodel.operators import OperatorModel

    Fit = Callable[[Readings, Mode, str], OperatorModel]

__all__ = [
    "DTYPES",
    "HEAVY",
    "Guess",
    "guesses",
    "heavy",
    "held_out",
    "mean_percent",
    "rounded",
    "totals",
    "with_errors",
    "with_harness",
]

DTYPES = ("fp32", "fp16", "bf16")
HEAVY = ("attention", "mlp_in", "mlp_out")  # the segments with matrix products


class Guess(NamedTuple):
    """A reading and what a model said of it that had not seen it."""

    row: Row
    predicted_ns: float

    @property
    def error(self) -> float:
        """Signed, as a fraction of the reading."""
        return self.predicted_ns / self.row.reading.latency_ns - 1.0


def guesses(model: OperatorModel, rows: Sequence[Row]) -> list[Guess]:
    """What `model` says of each row."""
    predicted = predict_ns(model, [row.reading for row in rows]).tolist()
    return [Guess(row, value) for row, value in zip(rows, predicted, strict=True)]


def held_out(readings: Readings, mode: Mode, make: Fit = fit_mode) -> list[Guess]:
    """Each model's rows as predicted by a fit to the other two."""
    return [
        guess
        for model in MODELS
        for guess in guesses(
            make(readings, mode, model),
            [
                row
                for row in readings.rows[mode.name]
                if row.model == model and row.segment != "patches"
            ],
        )
    ]


def mean_percent(found: Sequence[Guess]) -> float:
    """The mean absolute error, in percent of the reading."""
    return round(100 * float(np.mean([abs(guess.error) for guess in found])), 1)


def heavy(found: Sequence[Guess], dtype: str) -> list[Guess]:
    """The guesses of one dtype that hold matrix products."""
    return [g for g in found if g.row.segment in HEAVY and g.row.reading.dtype == dtype]


def totals(found: Sequence[Guess], dtype: str) -> dict[str, tuple[float, float]]:
    """Per model: all its timed segments, in ns, as read and as predicted."""
    sums = {}
    for model in MODELS:
        own = [g for g in found if g.row.model == model and g.row.reading.dtype == dtype]
        read_ns = sum(g.row.times * g.row.reading.latency_ns for g in own)
        sums[model] = (read_ns, sum(g.row.times * g.predicted_ns for g in own))
    return sums


def with_harness(readings: Readings, mode: Mode, found: Sequence[Guess]) -> list[float]:
    """Errors of the source's own totals, its harness put back once for each of its calls."""
    off = []
    for (name, model, dtype), (total_ns, calls) in read_totals(data_folder()).items():
        if name == mode.name:
            ours = totals(found, dtype)[model][1] + calls * readings.harness_ns[name]
            off.append(abs(ours / total_ns - 1))
    return off


def with_errors(model: OperatorModel, found: Sequence[Guess]) -> OperatorModel:
    """The model with the root mean square log errors of its parts' own segments."""

    def spread(names: tuple[str, ...], dtypes: tuple[str, ...]) -> float:
        errors = [
            np.log1p(guess.error)
            for guess in found
            if guess.row.segment in names and guess.row.reading.dtype in dtypes
        ]
        return round(float(np.sqrt(np.mean(np.square(errors)))), 3)

    streams = max(spread((name,), DTYPES) for name in ("norm", "add"))
    return replace(
        model,
        products=tuple(
            replace(part, relative_error=spread(HEAVY, part.dtypes)) for part in model.products
        ),
        streams=tuple(replace(part, relative_error=streams) for part in model.streams),
    )


def rounded(model: OperatorModel) -> OperatorModel:
    """The model to three significant digits: more than the readings determine."""
    values = {path: float(f"{value:.3g}") for path, value in parameters(model).items()}
    return with_parameters(model, values)
