"""Choose, cut, prove: exact token counts per block for a latency budget.

What is named here needs neither torch nor timm; the cut itself is in `optimizer.pruning`
and the proof on the device in `optimizer.verifying`.
"""

from optimizer.budget import Budget
from optimizer.choice import Choice
from optimizer.choosing import choose_batch, choose_model
from optimizer.optimizing import optimize
from optimizer.plan import Plan
from optimizer.problem import Problem
from optimizer.saving import read_plan, write_plan
from optimizer.schedule import Schedule
from optimizer.solution import Solution, Status
from optimizer.solving import solve
from optimizer.tradeoff import Tradeoff
from optimizer.trading import find_tradeoff

__all__ = [
    "Budget",
    "Choice",
    "Plan",
    "Problem",
    "Schedule",
    "Solution",
    "Status",
    "Tradeoff",
    "choose_batch",
    "choose_model",
    "find_tradeoff",
    "optimize",
    "read_plan",
    "solve",
    "write_plan",
]
