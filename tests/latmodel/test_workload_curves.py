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
from tests.latmodel.golden import PAPER, WHOLE
from tests.latmodel.stairs import STAIRS, VIT
from tests.latmodel.strategies import workload_curves

(ON_PAPER,) = PAPER.curves


def test_the_table_by_hand() -> None:
    """Two blocks cost 22, 30, 55 and 80 at 1 to 4 tokens, their MLPs 10, 21, 31 and 41.

    A segment is a block: 11, 15, 27.5 and 40. The last is one MLP: 5, 10.5, 15.5 and 20.5.
    Fixed are the ends, 50, and the first attention: 40 less 20.5.
    """
    table = WHOLE.table()
    assert table.counts.tolist() == [1, 2, 3, 4]
    assert table.segment_ns.tolist() == [[11, 15, 28, 40], [5, 11, 16, 21]]
    assert table.cut_ns.tolist() == [[7, 8, 9, 10]] * 2
    assert table.fixed_ns == 50 + 20
    assert table.dense_ns == 70 + 40 + 21
    assert table.latency_ns((4, 2)) == 70 + 40 + 11 + 8
    assert table.relative_error.tolist() == [0] * 4
    assert table.origin == "measured curve of paper_vit, 4 probes"
    assert table.warnings == ()


def test_the_ending_by_hand() -> None:
    """The last attention is charged whole; the MLPs at the prefix, 10 of 2, and a fifth."""
    ending = WHOLE.table(prefix_head=True).ending
    assert WHOLE.table().ending is None
    assert ending is not None
    assert (ending.prefix, ending.mlp_ns) == (1, 6)
    assert ending.segment_ns.tolist() == [11, 15, 28, 40]


def test_an_ending_is_never_below_what_was_read() -> None:
    """Two prefix tokens; read were 1, 3 and 4, of which 3 is dear: 60 of 2 and a fifth."""
    slow = Curve(tuple(Measurement(n, (ns,)) for n, ns in ((1, 10), (3, 60), (4, 20))))
    curves = replace(WHOLE, workload=replace(WHOLE.workload, prefix=2), mlps=slow)
    ending = curves.table(prefix_head=True).ending
    assert ending is not None
    assert ending.mlp_ns == 36


def test_the_error_is_that_of_the_blocks() -> None:
    table = ON_PAPER.table()
    assert (
        table.relative_error.tolist() == ON_PAPER.blocks.relative_error(table.counts).tolist()
    )


def test_noise_makes_no_attention_negative() -> None:
    """Where the MLP halves alone read slower than the blocks, they are taken as the blocks."""
    slow = Curve(tuple(Measurement(n, (ns,)) for n, ns in enumerate((10, 31, 70, 90), 1)))
    table = replace(WHOLE, mlps=slow).table()
    assert table.fixed_ns == 50
    assert table.segment_ns[-1].tolist() == [5, 15, 28, 40]


@given(curves=workload_curves())
def test_dense_is_the_sum_of_the_parts(curves: WorkloadCurves) -> None:
    """Rounded up once per segment and once for the first attention, so never below."""
    table = curves.table()
    parts = curves.ends_ns + float(curves.blocks.latency_ns(curves.workload.tokens))
    assert parts - 1e-6 * parts <= table.dense_ns <= parts * (1 + 1e-6) + table.depth + 1
    assert np.all(table.segment_ns[-1] <= table.segment_ns[0])


@pytest.mark.parametrize(
    ("after_ns", "half"), [(860_000, " in the MLP"), (500_000, " in attention"), (680_000, "")]
)
def test_an_edge_says_which_half_makes_it(after_ns: int, half: str) -> None:
    """The blocks take 360 us more for one token, of which the MLPs make all, none or a half."""
    readings = {1: 500_000, 64: 500_000, 65: after_ns, 101: after_ns}
    mlps = Curve(tuple(Measurement(n, (ns,)) for n, ns in readings.items()))
    curves = WorkloadCurves(workload=VIT, blocks=STAIRS, mlps=mlps, cut=STAIRS, ends_ns=50)
    first = curves.edges()[0]
    assert (first.count, first.size, first.located) == (64, 0.36, True)
    assert first.cause == f"tile of 64 rows{half}"


def test_edges_have_a_threshold_and_waves_where_processors_are_known() -> None:
    curves = WorkloadCurves(workload=VIT, blocks=STAIRS, mlps=STAIRS, cut=STAIRS, ends_ns=50)
    assert [edge.count for edge in curves.edges() if edge.located] == [64, 96]
    assert [edge.count for edge in curves.edges(0.3)] == [64]
    # One processor computes one tile at a time, so that another row of them is a wave.
    (edge,) = curves.edges(0.3, processors=1)
    assert edge.cause.startswith("wave ")
    assert "GEMM" in edge.cause


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
