"""Accuracies that a user knows, from a CSV of two columns: model and top1."""

from __future__ import annotations

import os

from latmodel.csv_lines import numbered_cells, refused_cell
from latmodel.errors import FieldError
from latmodel.files import read_text

__all__ = ["read_accuracies"]

_HEADER = ["model", "top1"]


def read_accuracies(path: str | os.PathLike[str]) -> dict[str, float]:
    """Top-1 accuracy by model, in percent.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: the header is another, a model stands twice, or an accuracy is no number
            from 0 to 100.
    """
    lines = numbered_cells(read_text(path))
    _, header = next(lines)
    if header != _HEADER:
        raise FieldError(
            f"{path}: found the header {', '.join(header)!r}, allowed is 'model, top1'"
        )
    known: dict[str, float] = {}
    for number, cells in lines:
        if len(cells) != 2:
            raise FieldError(f"{path}: line {number}: found {len(cells)} cells, allowed are 2")
        model, text = cells
        if model in known:
            raise FieldError(f"{path}: line {number}: {model!r} stands twice")
        known[model] = _percent(path, number, text)
    return known


def _percent(path: str | os.PathLike[str], number: int, text: str) -> float:
    try:
        top1 = float(text)
    except ValueError:
        top1 = -1.0
    if not 0 <= top1 <= 100:
        refused = refused_cell(number, "top1", text, "a number from 0 to 100")
        raise FieldError(f"{path}: {refused}")
    return top1
