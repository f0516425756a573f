"""timm's own benchmark of whole models on CPUs, as operators and a latency."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_operators import operators_of

from latmodel.operator_fitting import Reading
from latmodel.workloads import listed_workloads

if TYPE_CHECKING:
    from pathlib import Path

    from latmodel.workload import Workload

__all__ = ["ModelRow", "read_models"]


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of the benchmark.

    Attributes:
        workload: its shapes.
        reading: all its operators, and the time of one image.
    """

    workload: Workload
    reading: Reading

    @property
    def family(self) -> str:
        """The first word of the name: vit, deit, deit3, beit, eva, eva02."""
        return self.workload.model.partition("_")[0]


def read_models(path: Path) -> tuple[list[ModelRow], int]:
    """The plain vision transformers of a file at batch 1, and how many other rows it has."""
    known, rows, others = listed_workloads(), [], 0
    with path.open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            workload = known.get(line["model"])
            modelled = workload is not None and not workload.left_out
            if workload is None or not modelled or line["infer_batch_size"] != "1":
                others += 1
                continue
            operators = tuple(
                use.operator for use in operators_of(workload) for _ in range(use.repeats)
            )
            latency_ns = float(line["infer_step_time"]) * 1e6
            reading = Reading(operators=operators, dtype="fp32", latency_ns=latency_ns)
            rows.append(ModelRow(workload, reading))
    return rows, others
