"""What a value is after it was written to a YAML file and read from it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from latmodel.fields import Fields
from latmodel.files import read_yaml, write_yaml

__all__ = ["through_a_file"]


def through_a_file(values: Mapping[str, object]) -> Fields:
    """The fields of a file that holds `values`; its name begins no path."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "it.yaml"
        write_yaml(place, values)
        return Fields(read_yaml(place))
