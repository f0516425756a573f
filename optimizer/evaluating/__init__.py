"""What a cut leaves of a model's answers: accuracy, agreement, and latency in the same run.

`evaluate` measures a plan, `compare` any two models.
"""

from __future__ import annotations

from optimizer.evaluating.comparing import Comparison, compare
from optimizer.evaluating.evaluation import Evaluation
from optimizer.evaluating.running import evaluate

__all__ = ["Comparison", "Evaluation", "compare", "evaluate"]
