"""From damage to value: the same sum, gathered by block, and exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.fidelity.valuing import (
    UNIT,
    predicted_damage,
    value_of_damage,
    whole_damage,
)
from tests.optimizer.fidelity.tables import block, table

COUNTS = np.array([2, 5, 9, 17])


@given(st.data())
def test_values_add_up_to_less_the_damage_of_each_cut(data: st.DataObject) -> None:
    """In whole numbers: sum of values = - sum over the cuts of D(i, after) - D(i, before)."""
    depth, width = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    cells = st.integers(0, 10**12)
    damage = np.array(
        [[data.draw(cells) for _ in range(width - 1)] + [0] for _ in range(depth)]
    )
    columns = sorted((data.draw(st.integers(0, width - 1)) for _ in range(depth)), reverse=True)
    value, before, lost = value_of_damage(damage), width - 1, 0
    for number, column in enumerate(columns):
        lost += int(damage[number, column] - damage[number, before])
        before = column
    assert sum(int(value[i, k]) for i, k in enumerate(columns)) == -lost


def test_keeping_all_is_worth_nothing() -> None:
    value = value_of_damage(whole_damage(table(), COUNTS))
    assert value[:, -1].tolist() == [0, 0]
    assert value.dtype == np.int64


def test_whole_damage_by_hand() -> None:
    assert whole_damage(table(), COUNTS).tolist() == [
        [3_000_000, 1_000_000, 500_000, 0],
        [2_000_000, 500_000, 100_000, 0],
    ]


def test_what_a_schedule_is_to_cost_by_hand() -> None:
    assert predicted_damage(table(), (17, 17)) == 0
    assert predicted_damage(table(), (9, 9)) == pytest.approx(0.5)
    assert predicted_damage(table(), (9, 2)) == pytest.approx(0.5 + 2.0 - 0.1)
    value, damage = (
        value_of_damage(whole_damage(table(), COUNTS)),
        predicted_damage(table(), (9, 2)),
    )
    assert -UNIT * int(value[0, 2] + value[1, 0]) == pytest.approx(damage)


def test_a_lossless_last_cut_costs_what_its_row_says() -> None:
    made = table(block(1.0), block(0.0, counts=(1,)))
    assert predicted_damage(made, (17, 1)) == 0
    assert predicted_damage(made, (2, 1)) == pytest.approx(1.0)
