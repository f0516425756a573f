"""Plans as files: YAML, or JSON where the name ends in `.json`."""

from __future__ import annotations

import json
from pathlib import Path

from latmodel.errors import LatmodelError
from latmodel.fields import Fields
from latmodel.files import read_json, read_yaml, write_text, write_yaml
from optimizer.errors import OptimizerError
from optimizer.plan import Plan

__all__ = ["read_plan", "write_plan"]


def write_plan(path: str | Path, plan: Plan) -> None:
    """Write a plan, whole or not at all.

    Raises:
        ProfileError: the folder cannot be written.
    """
    if Path(path).suffix == ".json":
        write_text(path, json.dumps(plan.to_dict(), indent=2) + "\n")
    else:
        write_yaml(path, plan.to_dict())


def read_plan(path: str | Path) -> Plan:
    """Read a plan, YAML or JSON; the inverse of `write_plan`.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: a field is missing, unknown, of the wrong type or out of range.
        ScheduleError: the counts are no schedule.
    """
    # PyYAML would read JSON too, but takes its 1e-05 for text.
    mapping = read_json(path) if Path(path).suffix == ".json" else read_yaml(path)
    try:
        return Plan.from_fields(Fields(mapping))
    except (LatmodelError, OptimizerError) as error:
        raise type(error)(f"{path}: {error}") from None
