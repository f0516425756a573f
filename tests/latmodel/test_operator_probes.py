"""Probes are real operators of the workload, spread over kinds and counts, and worth it."""

from __future__ import annotations

import re
from dataclasses import replace
from math import log

import numpy as np
import pytest

from latmodel import operator_probes
from latmodel.calibrating import calibrate
from latmodel.cost_pieces import take_apart
from latmodel.errors import MeasurementError, ProfileError
from latmodel.operator_kinds import DIMS, Operator
from latmodel.operator_probes import (
    _greedy,
    _rest,
    choose_probes,
    probe_candidates,
    readings_of,
)
from latmodel.operators import OperatorModel
from latmodel.scaling import by_kind, factors_of, scaled
from latmodel.workloads import find_workload
from tests.latmodel.planted_boards import MODEL

DEIT = find_workload("deit_small_patch16_224")


def keys(operators: tuple[Operator, ...]) -> list[tuple[object, ...]]:
    return [(o.kind, *(o.dims[name] for name in DIMS[o.kind])) for o in operators]


def test_candidates_are_the_operators_of_a_block() -> None:
    found = keys(probe_candidates(MODEL, DEIT))
    assert len(set(found)) == len(found)
    assert {key[0] for key in found} == set(DIMS)
    for full in (
        ("linear", 197, 384, 1152),
        ("linear", 197, 384, 384),
        ("linear", 197, 384, 1536),
        ("linear", 197, 1536, 384),
        ("attention", 1, 6, 197, 197, 64),
        ("bmm", 6, 197, 197, 64),
        ("bmm", 6, 197, 64, 197),
        ("softmax", 6 * 197, 197),
        ("norm", 197, 384),
        ("gelu", 197, 1536),
        ("add", 197, 384),
    ):
        assert full in found
    assert ("linear", 1, 384, 1152) in found


def test_a_batch_multiplies_rows_not_keys() -> None:
    found = keys(probe_candidates(MODEL, DEIT.at(batch=4)))
    assert ("linear", 4 * 197, 384, 1152) in found
    assert ("attention", 4, 6, 197, 197, 64) in found
    assert ("bmm", 24, 197, 197, 64) in found


def test_what_the_model_does_not_know_is_not_probed() -> None:
    bare = replace(MODEL, products=MODEL.products[:1])
    kinds = {operator.kind for operator in probe_candidates(bare, DEIT)}
    assert kinds == {"linear", "softmax", "norm", "gelu", "add"}


def test_probes_are_distinct_deterministic_and_nested() -> None:
    """The first ten of twenty are the ten."""
    twenty = choose_probes(MODEL, DEIT, 20)
    assert len(set(keys(twenty))) == 20
    assert keys(choose_probes(MODEL, DEIT, 20)) == keys(twenty)
    assert keys(choose_probes(MODEL, DEIT, 10)) == keys(twenty[:10])


def test_as_many_probes_as_operators_are_all_of_them() -> None:
    """None twice, however little another reading of it would tell."""
    bare = replace(MODEL, products=MODEL.products[:1])
    small = replace(find_workload("test_vit"), tokens=5)
    candidates = probe_candidates(bare, small)
    chosen = choose_probes(bare, small, len(candidates))
    assert sorted(map(str, keys(chosen))) == sorted(map(str, keys(candidates)))


def test_what_no_factor_explains_is_alike_in_near_shapes_of_a_kind() -> None:
    """The same, a quarter more rows, a hundred times more, another kind."""
    operators = (
        Operator("norm", {"rows": 100, "width": 64}),
        Operator("norm", {"rows": 125, "width": 64}),
        Operator("norm", {"rows": 10_000, "width": 64}),
        Operator("add", {"rows": 100, "width": 64}),
    )
    same, near, far, other = _rest(operators)[0].tolist()
    assert 0.9 * same < near < same
    assert far < 1e-6
    assert other == 0


def test_the_choice_weighs_factors_and_what_no_factor_explains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each latency is unknown by its factors' widths, and by 15 % besides."""
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def greedy(covariance: np.ndarray, weights: np.ndarray, number: int) -> list[int]:
        seen.append((covariance, weights))
        return list(range(number))

    monkeypatch.setattr(operator_probes, "_greedy", greedy)
    bare = replace(MODEL, products=MODEL.products[:1])
    first, *_ = choose_probes(bare, DEIT, 5)
    ((covariance, weights),) = seen
    pieces = take_apart(bare, readings_of((first,), np.ones(1), dtype="fp32"))
    widths = np.array([factor.width for factor in factors_of(bare)])
    known = float(np.sum((pieces.sensitivities() * widths) ** 2))
    assert covariance[0, 0] == pytest.approx(known + 0.15**2)
    assert weights.sum() == pytest.approx(1)
    # The last is a gelu at the full count.
    last = float(bare.latency_ns("gelu", rows=197, width=1536))
    own = float(pieces.latency_ns(np.zeros(len(widths)))[0])
    assert weights[-1] / weights[0] == pytest.approx(last / own)


def test_greed_takes_what_lessens_the_weighed_variance_most() -> None:
    """By hand: the third tells of the first too; then the second is what is left."""
    covariance = np.array([[1.0, 0.0, 0.9], [0.0, 0.8, 0.0], [0.9, 0.0, 1.0]])
    assert _greedy(covariance, np.array([0.5, 0.2, 0.3]), 3) == [0, 1, 2]
    assert _greedy(covariance, np.array([0.3, 0.2, 0.5]), 3) == [2, 1, 0]
    assert _greedy(covariance, np.array([0.0, 1.0, 0.0]), 1) == [1]


def test_probes_are_chosen_for_the_factors_that_a_calibration_has() -> None:
    """Which are those of single kinds, whatever parts the kinds share."""
    assert keys(choose_probes(MODEL, DEIT, 25)) == keys(choose_probes(by_kind(MODEL), DEIT, 25))


def test_probes_go_to_all_kinds_and_from_few_tokens_to_many() -> None:
    probes = choose_probes(MODEL, DEIT, 40)
    assert {probe.kind for probe in probes} == set(DIMS)
    rows = [int(np.asarray(p.dims["rows"])) for p in probes if p.kind == "linear"]
    assert min(rows) < 30
    assert max(rows) > 150
    assert len(rows) > 8  # they are most of a model's time


def test_five_probes_see_launch_computing_and_memory() -> None:
    """The three shared factors move by their widths: five probes tell them to a third of it."""
    kinds = [probe.kind for probe in choose_probes(MODEL, DEIT, 5)]
    assert "linear" in kinds
    assert len(set(kinds)) >= 3


def test_chosen_probes_serve_better_than_random_ones() -> None:
    """Median error on all operators of the workload, over boards drawn from the priors."""
    candidates = probe_candidates(MODEL, DEIT)
    chosen = choose_probes(MODEL, DEIT, 8)
    random = np.random.default_rng(3)
    ours, theirs = [], []
    for _ in range(9):
        logs = {f.name: float(f.width * random.standard_normal()) for f in factors_of(MODEL)}
        board = scaled(MODEL, logs)
        drawn = tuple(candidates[i] for i in random.permutation(len(candidates))[:8])
        ours.append(error(board, chosen, candidates))
        theirs.append(error(board, drawn, candidates))
    assert np.median(ours) < 0.8 * np.median(theirs)
    assert np.median(ours) < 0.1


def error(
    board: OperatorModel, probes: tuple[Operator, ...], asked: tuple[Operator, ...]
) -> float:
    """How far a model calibrated by probes is from the board, each operator by its latency."""
    model = calibrate(MODEL, readings_of(probes, latency(board, probes), dtype="fp32")).model
    true = latency(board, asked)
    return float(np.sum(np.abs(latency(model, asked) - true)) / np.sum(true))


def latency(model: OperatorModel, operators: tuple[Operator, ...]) -> np.ndarray:
    return np.array([float(model.cost(o.kind, o.dims).latency_ns) for o in operators])


def test_readings_are_grouped_by_kind_in_order() -> None:
    operators = (
        Operator("norm", {"rows": 5, "width": 48}),
        Operator("linear", {"rows": 1, "in_features": 2, "out_features": 3}),
        Operator("norm", {"rows": 7, "width": 64}),
    )
    norms, linears = readings_of(operators, np.array([10.0, 20.0, 30.0]), dtype="bf16")
    assert (norms.kind, norms.dtype, linears.kind) == ("norm", "bf16", "linear")
    assert norms.sizes["rows"].tolist() == [5, 7]
    assert norms.latency_ns.tolist() == [10, 30]
    assert {n: s.tolist() for n, s in linears.sizes.items()} == {
        "rows": [1],
        "in_features": [2],
        "out_features": [3],
    }


@pytest.mark.parametrize("number", [0, 10_000])
def test_more_probes_than_there_are_operators_are_refused(number: int) -> None:
    most = len(probe_candidates(MODEL, DEIT))
    message = (
        f"probes is {number}: must be 1 to {most}, the operators that deit_small_patch16_224 "
        "has at 17 token counts"
    )
    with pytest.raises(MeasurementError, match=f"^{re.escape(message)}$"):
        choose_probes(MODEL, DEIT, number)


def test_a_dtype_that_the_model_does_not_know_is_refused() -> None:
    message = "dtype is 'bf16': the operator model knows fp32 for linear"
    with pytest.raises(ProfileError, match=f"^{re.escape(message)}$"):
        choose_probes(MODEL, DEIT.at(dtype="bf16"), 5)


def test_a_known_launch_leaves_probes_for_the_rest() -> None:
    """Where launches are most of every latency, small shapes tell nothing new."""
    heavy = scaled(MODEL, {"launch": log(1e-3)})
    rows = [
        int(np.asarray(p.dims["rows"]))
        for p in choose_probes(heavy, DEIT, 12)
        if p.kind == "linear"
    ]
    assert rows
    assert min(rows) > 1
