from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latmodel.evaluating import evaluate
from latmodel.operator_kinds import DIMS, Operator
from latmodel.operators import OperatorModel
from tests.latmodel.operator_devices import FUSED, UNFUSED

ROWS = np.arange(1, 40)
OPERATORS = (
    Operator("norm", {"rows": ROWS, "width": 96}),
    Operator("linear", {"rows": ROWS, "in_features": 96, "out_features": 288}),
    Operator("add", {"rows": ROWS, "width": 96}),
    Operator("linear", {"rows": 1, "in_features": 96, "out_features": 10}),
    Operator("norm", {"rows": ROWS, "width": 96}),
    Operator("bmm", {"batch": 4, "m": ROWS, "n": ROWS, "k": 16}),
    Operator("linear", {"rows": ROWS, "in_features": 256, "out_features": 96}),
)


@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_many_operators_cost_what_each_does_alone(dtype: str) -> None:
    """Alone they are neither joined with others of their kind nor found among equal ones."""
    together = evaluate(FUSED, OPERATORS, dtype=dtype)
    for operator, found in zip(OPERATORS, together, strict=True):
        (alone,) = evaluate(FUSED, [operator], dtype=dtype)
        cost = FUSED.cost(operator.kind, operator.dims, dtype=dtype)
        assert found.stretch.times_ns.tolist() == alone.stretch.times_ns.tolist()
        assert found.stretch.errors_ns.tolist() == alone.stretch.errors_ns.tolist()
        assert found.beyond.tolist() == np.atleast_1d(cost.beyond).tolist()


def test_a_kind_is_evaluated_once_and_equal_operators_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, int] = {}
    cost = OperatorModel.cost

    def counted(self: OperatorModel, kind: str, dims: dict[str, np.ndarray], **more: str):  # type: ignore[no-untyped-def]
        assert kind not in asked
        asked[kind] = len(dims[DIMS[kind][0]])
        return cost(self, kind, dims, **more)

    monkeypatch.setattr(OperatorModel, "cost", counted)
    evaluate(FUSED, OPERATORS, dtype="fp32")
    assert asked == {"norm": 39, "linear": 39 + 1 + 39, "add": 39, "bmm": 39}


def times(model: OperatorModel, rows: int) -> tuple[float, float, float]:
    norm = Operator("norm", {"rows": rows, "width": 1000})
    (found,) = evaluate(model, [norm], dtype="fp32")
    host, device, alone = found.stretch.times_ns[:, 0].tolist()
    return host, device, alone


@pytest.mark.parametrize(
    ("changes", "host", "device", "alone"),
    [
        # 100 rows of 1000 numbers, read and written, at 50 bytes per ns: 16 us, a tenth less.
        ({}, 6000, 14_400 + 1500, 5400 + 14_400),
        # A gap is part of a launch, never more than it.
        ({"gap_ns": 0.0}, 6000, 14_400, 5400 + 14_400),
        ({"gap_ns": 9e9}, 6000, 14_400 + 5400, 5400 + 14_400),
        # What the host takes longer than the readings hold comes on top.
        ({"dispatch_ns": 5000.0}, 6000, 14_400 + 1500, 5400 + 14_400),
        ({"dispatch_ns": 7000.0}, 7000, 14_400 + 1500, 5400 + 14_400 + 1000),
    ],
)
def test_what_host_and_device_take_is_what_the_docstring_says(
    changes: dict[str, float], host: float, device: float, alone: float
) -> None:
    model = replace(UNFUSED, **changes)  # type: ignore[arg-type]
    assert times(model, 100) == pytest.approx((host, device, alone), rel=1e-4)


def test_a_launch_is_the_same_for_every_size() -> None:
    """The correction of few rows is an eighth more, of many a tenth less."""
    assert times(UNFUSED, 1)[0] == times(UNFUSED, 100)[0] == 6000
    tiny = Operator("norm", {"rows": 100, "width": 1})
    (found,) = evaluate(UNFUSED, [tiny], dtype="fp32")
    host, _, alone = found.stretch.times_ns[:, 0].tolist()
    assert alone == host  # though 0.9 x 6016 ns is less
