from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latmodel.block_operators import ROLES
from latmodel.breaking_down import break_down
from latmodel.composing import compose
from latmodel.errors import ProfileError
from latmodel.stretches import MODES
from tests.latmodel.operator_devices import FUSED, SMALL, UNFUSED, with_launches


@settings(max_examples=60)
@given(
    tokens=st.integers(1, 26),
    depth=st.integers(1, 4),
    batch=st.integers(1, 3),
    mode=st.sampled_from(MODES),
    launch=st.floats(0, 1e5),
    gated=st.booleans(),
)
def test_the_rows_add_up_to_the_tables_latency(
    tokens: int, depth: int, batch: int, mode: str, launch: float, gated: bool
) -> None:
    """To the nanosecond, whatever each segment is bound by."""
    workload = replace(SMALL, depth=depth, batch=batch, gated_mlp=gated)
    model = with_launches(UNFUSED, launch)
    found, table = (
        break_down(workload, model, tokens, mode=mode),
        compose(workload, model, mode=mode),
    )
    assert found.latency_ns == table.latency_ns((tokens,) * depth)
    assert sum(row.latency_ns for row in found.rows) == found.latency_ns
    assert sum(row.share for row in found.rows) == pytest.approx(1)
    assert all(row.latency_ns >= 0 for row in found.rows)
    assert found.relative_error == table.relative_error_of((tokens,) * depth)


def test_roles_are_in_the_order_of_a_forward_pass_and_counted() -> None:
    """Three blocks; below the full count there is one cut, of sixteen operators."""
    workload = replace(SMALL, layer_scale=True, qk_norm=True, gated_mlp=True)
    found = break_down(workload, UNFUSED, 20)
    assert {row.role: row.count for row in found.rows} == {
        "patch embedding": 1,
        "positions": 2,
        "norm": 7,
        "qkv": 3,
        "q/k norm": 6,
        "scores": 3,
        "softmax": 3,
        "values": 3,
        "projection": 3,
        "layer scale": 6,
        "residual": 6,
        "mlp in": 3,
        "gelu": 3,
        "gate": 3,
        "mlp out": 3,
        "cut": 16,
        "head": 1,
    }
    assert [ROLES.index(row.role) for row in found.rows] == sorted(
        ROLES.index(row.role) for row in found.rows
    )
    assert found.count == 72


def test_an_uncut_model_pays_no_cut() -> None:
    roles = [row.role for row in break_down(SMALL, FUSED, 26).rows]
    assert "cut" not in roles
    assert "attention" in roles
    assert "scores" not in roles


def test_the_first_attention_sees_every_token() -> None:
    """Of three blocks, one sees 26 rows, two see 10."""
    found = break_down(SMALL, UNFUSED, 10, mode="graph")
    (qkv,) = (row for row in found.rows if row.role == "qkv")
    cost = UNFUSED.cost(
        "linear", {"rows": np.array([26, 10, 10]), "in_features": 96, "out_features": 192}
    )
    assert qkv.busy_ns == pytest.approx(float(cost.busy_ns.sum()) + 3 * 1500)
    assert qkv.launch_ns == 3 * 9000
    assert qkv.latency_ns == pytest.approx(qkv.busy_ns, abs=3)


def test_a_row_counts_by_what_its_segment_is_bound_by() -> None:
    """A host of a second an operator: every role's share is its number of operators."""
    found = break_down(SMALL, with_launches(FUSED, 1e9), 26, mode="eager")
    assert [row.latency_ns for row in found.rows if row.role != "patch embedding"] == [
        row.count * 10**9 for row in found.rows if row.role != "patch embedding"
    ]
    assert found.rows[0].latency_ns == 2_500_000_000  # a convolution, 2.5 of a linear


def test_rows_outside_the_readings_say_so() -> None:
    """At batch 2 and 26 tokens linears have 52 rows, those of the readings 8 to 32."""
    found = break_down(SMALL.at(batch=2), UNFUSED, 26)
    by_role = {row.role: row.outside for row in found.rows}
    assert by_role["qkv"] == ("linear rows 52 (read 8 to 32)",)
    assert by_role["head"] == ("linear rows 2 (read 8 to 32)",)
    assert by_role["patch embedding"] == (
        "linear rows 50 (read 8 to 32)",
        "linear in_features 48 (read 64 to 256)",
    )
    assert by_role["norm"] == by_role["scores"] == ()
    assert found.outside == (
        "linear rows 2 to 52 (read 8 to 32)",
        "linear in_features 48 (read 64 to 256)",
    )


def test_every_rows_error_is_its_operators() -> None:
    """Inside the readings, each kind's own; 10 rows, and 26 in the first attention."""
    found = break_down(SMALL, UNFUSED, 10)
    errors = {row.role: row.relative_error for row in found.rows}
    assert errors["qkv"] == pytest.approx(0.1)
    assert errors["scores"] == pytest.approx(0.2)
    assert errors["gelu"] == pytest.approx(0.02)


def test_doubts_come_along() -> None:
    found = break_down(SMALL, UNFUSED, 26, attention="fused", mode="sum")
    assert found.origin == compose(SMALL, UNFUSED, attention="fused", mode="sum").origin
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("fused attention was not read on this device")


@pytest.mark.parametrize("tokens", [0, -1, 27])
def test_a_count_that_the_model_has_not_is_refused(tokens: int) -> None:
    with pytest.raises(ProfileError) as caught:
        break_down(SMALL, UNFUSED, tokens)
    assert str(caught.value) == f"tokens is {tokens}: small runs 1 to 26"


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ProfileError) as caught:
        break_down(SMALL, UNFUSED, 26, mode="lazy")
    assert str(caught.value) == "mode is 'lazy': must be one of eager, graph, sum"
