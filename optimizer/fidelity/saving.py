"""Damage tables as files: YAML, or JSON where the name ends in `.json`."""

from __future__ import annotations

import json
from pathlib import Path

from latmodel.errors import LatmodelError
from latmodel.fields import Fields
from latmodel.files import read_json, read_yaml, write_text, write_yaml
from optimizer.errors import OptimizerError
from optimizer.fidelity.damage import DamageTable

__all__ = ["read_damage", "write_damage"]


def write_damage(path: str | Path, table: DamageTable) -> None:
    """Write a table, whole or not at all.

    Raises:
        ProfileError: the folder cannot be written.
    """
    if Path(path).suffix == ".json":
        write_text(path, json.dumps(table.to_dict(), indent=2) + "\n")
    else:
        write_yaml(path, table.to_dict())


def read_damage(path: str | Path) -> DamageTable:
    """Read a table, YAML or JSON; the inverse of `write_damage`.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: a field is missing, unknown, of the wrong type or out of range.
        DamageError: they are no table.
    """
    # PyYAML would read JSON too, but takes its 1e-05 for text.
    mapping = read_json(path) if Path(path).suffix == ".json" else read_yaml(path)
    try:
        return DamageTable.from_fields(Fields(mapping))
    except (LatmodelError, OptimizerError) as error:
        raise type(error)(f"{path}: {error}") from None
