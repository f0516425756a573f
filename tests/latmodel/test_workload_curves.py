from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from latmodel.curve import Curve
from latmodel.errors import WorkloadError
from latmodel.fields import Fields
from latmodel.measurement import Measurement
from latmodel.workload_curves import WorkloadCurves
from tests.latmodel.golden import PAPER
from tests.latmodel.strategies import workload_curves

(ON_PAPER,) = PAPER.curves


def test_the_table_by_hand() -> None:
    """Two blocks cost 22, 30, 55 and 80 at 1 to 4 tokens, their MLPs 10, 20.33, 30.67 and 41.

    A segment is a block: 11, 15, 27.5 and 40. The last is one MLP: 5, 10.17, 15.33 and
    20.5. Fixed are the ends, 50, and the first attention: 40 less 20.5.
    """
    table = ON_PAPER.table()
    assert table.counts.tolist() == [1, 2, 3, 4]
    assert table.segment_ns.tolist() == [[11, 15, 28, 40], [5, 11, 16, 21]]
    assert table.cut_ns.tolist() == [[7, 8, 9, 10]] * 2
    assert table.fixed_ns == 50 + 20
    assert table.dense_ns == 70 + 40 + 21
    assert table.latency_ns((4, 2)) == 70 + 40 + 11 + 8
    assert table.origin == "measured curve of paper_vit, 3 probes"
    assert table.warnings == ()


def test_the_error_is_that_of_the_blocks() -> None:
    table = ON_PAPER.table()
    assert (
        table.relative_error.tolist() == ON_PAPER.blocks.relative_error(table.counts).tolist()
    )


def test_noise_makes_no_attention_negative() -> None:
    """Where the MLP halves alone read slower than the blocks, they are taken as the blocks."""
    slow = Curve((Measurement(1, (10,)), Measurement(4, (90,))))
    table = replace(ON_PAPER, mlps=slow).table()
    assert table.fixed_ns == 50
    assert table.segment_ns[-1].tolist() == [5, 15, 28, 40]


@given(curves=workload_curves())
def test_dense_is_the_sum_of_the_parts(curves: WorkloadCurves) -> None:
    """Rounded up once per segment and once for the first attention, so never below."""
    table = curves.table()
    parts = curves.ends_ns + curves.blocks.probes[-1].centre_ns
    assert parts - 1e-6 * parts <= table.dense_ns <= parts * (1 + 1e-6) + table.depth + 1
    assert np.all(table.segment_ns[-1] <= table.segment_ns[0])


@pytest.mark.parametrize("name", ["blocks", "mlps", "cut"])
@pytest.mark.parametrize(("low", "high"), [(2, 4), (1, 3), (1, 5), (4, 4)])
def test_every_curve_spans_1_to_the_full_count(name: str, low: int, high: int) -> None:
    counts = dict.fromkeys((low, high))
    short = Curve(tuple(Measurement(count, (9,)) for count in counts))
    change: dict[str, Any] = {name: short}
    with pytest.raises(WorkloadError) as caught:
        replace(ON_PAPER, **change)
    assert str(caught.value) == (
        f"{name} was probed from {low} to {high} tokens: must span 1 to 4"
    )


@given(curves=workload_curves())
def test_reading_inverts_writing(curves: WorkloadCurves) -> None:
    assert WorkloadCurves.from_fields(Fields(curves.to_dict())) == curves
