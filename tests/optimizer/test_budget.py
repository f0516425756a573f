from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.budget import Budget
from optimizer.errors import BudgetError

ALLOWED = (
    "write a number with a unit, such as 20ms, 500us, 0.02s, or 60% of the unpruned latency"
)
RANGE = "is out of range: it must be above zero, at least 1 ns, and below 36 years"


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("20ms", 20_000_000),
        ("500us", 500_000),
        ("500µs", 500_000),
        ("0.02s", 20_000_000),
        (" 1.5 ms ", 1_500_000),
        ("7ns", 7),
        ("2e1ms", 20_000_000),
        ("60%", 60_000_000),
        ("33.3%", 33_300_000),
    ],
)
def test_budgets_read_as_written(text: str, expected_ns: int) -> None:
    assert Budget.parse(text).within(100_000_000) == expected_ns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("20", f"budget '20' has no unit: {ALLOWED}"),
        ("", f"budget '' is no latency: {ALLOWED}"),
        ("fast", f"budget 'fast' is no latency: {ALLOWED}"),
        ("20lightyears", f"budget '20lightyears' has the unknown unit 'lightyears': {ALLOWED}"),
        ("20MS", f"budget '20MS' has the unknown unit 'MS': {ALLOWED}"),
        ("-3ms", f"budget '-3ms' {RANGE}"),
        ("0ms", f"budget '0ms' {RANGE}"),
        ("0%", f"budget '0%' {RANGE}"),
        ("0.1ns", f"budget '0.1ns' {RANGE}"),
        ("1e30s", f"budget '1e30s' {RANGE}"),
        ("1e-99%", f"budget '1e-99%' {RANGE}"),
        ("\u0662ms", f"budget '\u0662ms' is no latency: {ALLOWED}"),
        ("nanms", f"budget 'nanms' is no latency: {ALLOWED}"),
        ("20ms 30ms", f"budget '20ms 30ms' has the unknown unit 'ms 30ms': {ALLOWED}"),
    ],
)
def test_what_is_no_budget_says_what_one_is(text: str, message: str) -> None:
    with pytest.raises(BudgetError) as caught:
        Budget.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e20])
def test_milliseconds_must_be_positive_and_finite(value: float) -> None:
    with pytest.raises(BudgetError) as caught:
        Budget.of_ms(value)
    assert str(caught.value) == f"budget_ms is {value}: must be a positive finite number of ms"


@given(ms=st.floats(1e-3, 1e6))
def test_rounding_never_widens_a_budget(ms: float) -> None:
    assert Budget.of_ms(ms).within(1) <= ms * 1e6 * (1 + 1e-15)
    assert Budget.of_ms(ms).within(1) > ms * 1e6 - 1.0001


@given(text=st.text(max_size=20))
def test_any_text_is_a_budget_or_a_budget_error(text: str) -> None:
    try:
        amount = Budget.parse(text).amount
    except BudgetError:
        return
    assert amount > 0
