"""What came out of a solve, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Solution", "Status"]


class Status(Enum):
    """How a solve ended; the value is the sentence the user reads."""

    OPTIMAL = "proved optimal"
    INFEASIBLE = "infeasible: no schedule meets the budget"
    TIME_LIMIT = "stopped by the time limit; feasible, not proved optimal"
    FIXED_RULE = "by a fixed rule; within the budget, not proved optimal"
    RULE_FAILED = "over the budget by a fixed rule; another schedule may meet it"
    FASTEST = "proved the fastest that keeps as much"
    BOUNDED = "within the budget; how far from optimal at most is proved"

    @property
    def over_budget(self) -> bool:
        """Whether the schedule beside it takes longer than the budget."""
        return self in (Status.INFEASIBLE, Status.RULE_FAILED)

    @property
    def proved(self) -> bool:
        """Whether no schedule is better: the best there is, or none within the budget."""
        return self in (Status.OPTIMAL, Status.INFEASIBLE)


@dataclass(frozen=True, slots=True)
class Solution:
    """Token counts per block, with the integers that prove them.

    Of equal value the schedule of lowest latency is chosen, and of equal latency the one
    whose cuts come later (the greatest in lexicographic order).

    Attributes:
        status: how the solve ended.
        tokens: shape (depth,); where infeasible, the fastest schedule there is; where a
            fixed rule failed, what it says nevertheless.
        value: of these tokens, recomputed in integers.
        latency_ns: of these tokens, recomputed in integers.
        bound: no schedule within the budget is worth more; equal to `value` where
            OPTIMAL, meaningless where over the budget.
    """

    status: Status
    tokens: tuple[int, ...]
    value: int
    latency_ns: int
    bound: int

    @property
    def gap(self) -> int:
        """How much more value a better schedule could have at most; 0 where OPTIMAL."""
        return self.bound - self.value
