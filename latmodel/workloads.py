"""Find a workload by its model's name: from the shipped list, else from timm itself.

Importing torch and timm takes seconds, a lookup milliseconds; so the shapes of timm's
plain vision transformers ship as a list, which `benchmarks/list_workloads.py` makes and a
test compares with the timm that is installed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from latmodel.fields import Fields
from latmodel.files import data_folder, read_text
from latmodel.workload import Workload

__all__ = ["WORKLOADS_FILE", "find_workload", "listed_workloads", "to_csv"]

WORKLOADS_FILE = "workloads.csv"

_LEFT_OUT = ("batch", "dtype")
"""What the caller chooses is no part of the list."""


def find_workload(model: str, *, batch: int = 1, dtype: str = "fp32") -> Workload:
    """The workload of a timm model.

    Args:
        model: timm's name, with or without a pretrained tag.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES`.

    Raises:
        UnknownModelError: timm has no model of that name; names the near ones.
        WorkloadError: the model is no plain vision transformer.

    >>> find_workload("deit_small_patch16_224").tokens
    197
    """
    listed = listed_workloads().get(model.split(".", maxsplit=1)[0])
    # A tag may choose another input size, so only timm can answer for it.
    if listed is not None and "." not in model:
        return listed.at(batch=batch, dtype=dtype)
    from latmodel.architectures import describe  # noqa: PLC0415 (imports torch and timm)

    return describe(model, batch=batch, dtype=dtype)


def listed_workloads() -> dict[str, Workload]:
    """The shipped list, by model name, at batch 1 in fp32.

    Raises:
        ProfileError: the file cannot be read.
        FieldError: a row is malformed.
    """
    rows = csv.DictReader(io.StringIO(read_text(data_folder() / WORKLOADS_FILE)))
    return {row["model"]: _parse(row) for row in rows}


def _parse(row: dict[str, str]) -> Workload:
    values: dict[str, object] = {"batch": 1, "dtype": "fp32"}
    for name, text in row.items():
        values[name] = text if name in ("model", "kind") else _plain(text)
    return Workload.from_fields(Fields(values, f"{WORKLOADS_FILE}: {row['model']}"))


def _plain(text: str) -> object:
    if text in ("yes", "no"):
        return text == "yes"
    return int(text) if text.isdecimal() else text


def to_csv(workloads: Iterable[Workload]) -> str:
    """The list as text; the inverse of `listed_workloads`."""
    rows = [
        {name: value for name, value in w.to_dict().items() if name not in _LEFT_OUT}
        | {"kind": w.kind, "prefix_head": w.prefix_head}
        for w in workloads
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: ("yes" if v else "no") if isinstance(v, bool) else v for k, v in row.items()}
        )
    return out.getvalue()
