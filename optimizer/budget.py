"""A latency budget as people write it: `20ms`, `500us`, `0.02s`, or `60%` of unpruned."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from optimizer.errors import BudgetError

__all__ = ["Budget"]

_UNIT_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9}
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_FORM = re.compile(rf"\s*({_NUMBER})\s*(.*?)\s*", re.DOTALL)
_ALLOWED = (
    "write a number with a unit, such as 20ms, 500us, 0.02s, or 60% of the unpruned latency"
)
_LARGEST_NS = Decimal(1 << 60)


@dataclass(frozen=True, slots=True)
class Budget:
    """Either an absolute latency or a share of the unpruned model's.

    Attributes:
        amount: in ns, or in percent where `relative`; positive.
        relative: whether the amount is a percentage.

    >>> Budget.parse("20ms").within(90_000_000), Budget.parse("60%").within(90_000_000)
    (20000000, 54000000)
    """

    amount: Decimal
    relative: bool = False

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read a budget as it was typed.

        Raises:
            BudgetError: no number, no unit, an unknown unit, or not above zero.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise BudgetError(f"budget {text!r} is no latency: {_ALLOWED}")
        number, unit = Decimal(match[1]), match[2]
        if not unit:
            raise BudgetError(f"budget {text!r} has no unit: {_ALLOWED}")
        if unit != "%" and unit not in _UNIT_NS:
            raise BudgetError(f"budget {text!r} has the unknown unit {unit!r}: {_ALLOWED}")
        amount = number * _UNIT_NS.get(unit, 1)
        budget = cls(amount, relative=unit == "%")
        if not 0 < amount < _LARGEST_NS or budget.within(10**9) < 1:
            raise BudgetError(
                f"budget {text!r} is out of range: it must be above zero, at least 1 ns, and "
                "below 36 years"
            )
        return budget

    @classmethod
    def of_ms(cls, budget_ms: float) -> Budget:
        """A budget given as a number of milliseconds.

        Raises:
            BudgetError: it is not a positive finite number.
        """
        amount = Decimal(str(float(budget_ms))) * 10**6
        if not amount.is_finite() or not 1 <= amount < _LARGEST_NS:
            raise BudgetError(
                f"budget_ms is {budget_ms}: must be a positive finite number of ms"
            )
        return cls(amount)

    def within(self, dense_ns: int) -> int:
        """The budget in whole ns, rounded down, for a model of this unpruned latency."""
        share = self.amount * dense_ns / 100 if self.relative else self.amount
        return int(share)
