"""The pieces of a cost say what the model itself says, at every factor."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from latmodel.cost_pieces import take_apart
from latmodel.errors import ProfileError
from latmodel.operator_kinds import DIMS
from latmodel.scaling import factors_of, scaled
from tests.latmodel.planted_boards import MODEL, readings, shapes

SHAPES = tuple(shapes(kind, 120) for kind in DIMS)
NAMES = [factor.name for factor in factors_of(MODEL)]


def told(logs: np.ndarray) -> np.ndarray:
    """What the model itself says with these factors."""
    board = scaled(MODEL, dict(zip(NAMES, logs.tolist(), strict=True)))
    return np.concatenate([board.cost(each.kind, each.sizes).latency_ns for each in SHAPES])


def test_pieces_put_together_are_the_model() -> None:
    pieces = take_apart(MODEL, SHAPES)
    assert len(pieces) == 120 * len(DIMS)
    assert pieces.latency_ns(np.zeros(len(NAMES))) == pytest.approx(told(np.zeros(len(NAMES))))


@pytest.mark.parametrize("name", NAMES)
def test_each_factor_does_to_the_pieces_what_it_does_to_the_model(name: str) -> None:
    """At all shapes but the few whose split or correction the factor changes."""
    logs = np.zeros(len(NAMES))
    logs[NAMES.index(name)] = 0.3
    pieces = take_apart(MODEL, SHAPES).latency_ns(logs)
    ratio = np.abs(np.log(pieces / told(logs)))
    assert np.mean(ratio < 1e-6) > 0.93
    assert ratio.max() < 0.1
    assert not np.allclose(pieces, told(np.zeros(len(NAMES))), rtol=1e-6)


def test_merging_a_split_reduction_goes_with_computing() -> None:
    """A kernel that always splits, so that no factor changes how."""
    product = MODEL.products[0]
    always = replace(product.kernels[0], splits=(4,), split_ns=900.0)
    part = replace(product, kernels=(always, product.kernels[1]))
    model = replace(MODEL, products=(part, *MODEL.products[1:]))
    asked = shapes("linear", 60)
    logs = np.zeros(len(NAMES))
    logs[NAMES.index("compute")] = 1.0
    board = scaled(model, {"compute": 1.0})
    assert take_apart(model, [asked]).latency_ns(logs) == pytest.approx(
        board.cost("linear", asked.sizes).latency_ns
    )


def test_sensitivities_are_the_slopes_of_the_logarithm() -> None:
    pieces = take_apart(MODEL, SHAPES)
    slopes = pieces.sensitivities()
    assert slopes.shape == (len(pieces), len(NAMES))
    step = np.zeros(len(NAMES))
    step[NAMES.index("memory")] = 0.01
    ratio = np.log(pieces.latency_ns(step) / pieces.latency_ns(np.zeros(len(NAMES))))
    assert ratio / 0.01 == pytest.approx(slopes[:, NAMES.index("memory")], abs=0.02)


def test_shares_of_a_cost_add_up() -> None:
    """Where nothing slows down with length, launch, computing and memory make the whole."""
    streams = take_apart(MODEL, [shapes("add", 50)]).sensitivities()
    shared = [NAMES.index(name) for name in ("launch", "memory")]
    assert streams[:, shared].sum(axis=1) == pytest.approx(np.ones(50), abs=1e-6)


def test_chosen_rows_are_those_rows() -> None:
    pieces = take_apart(MODEL, SHAPES)
    chosen = np.arange(len(pieces)) % 7 == 0
    logs = np.full(len(NAMES), 0.2)
    assert pieces.where(chosen).latency_ns(logs) == pytest.approx(
        pieces.latency_ns(logs)[chosen]
    )
    assert (pieces.where(chosen).part == pieces.part[chosen]).all()
    assert set(pieces.part.tolist()) == {0, 1, 2}


def test_what_the_model_does_not_know_is_refused() -> None:
    unknown = readings("linear", dict(shapes("linear", 1).sizes), np.ones(1))
    half = type(unknown)(
        kind="linear",
        dtype="fp16",
        sizes=unknown.sizes,
        latency_ns=unknown.latency_ns,
        kernels=unknown.kernels,
        splits=unknown.splits,
    )
    message = "dtype is 'fp16': the operator model knows fp32 for linear"
    with pytest.raises(ProfileError, match=f"^{re.escape(message)}$"):
        take_apart(MODEL, [half])
