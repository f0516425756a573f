"""The problems that `solvers.py` solves: measured curves and made-up ones, at four sizes.

A block's latency over its count is, for every block but the last, one of

- measured: a block of Llama-3-8B on an RTX 3090 (one or two ranks; every count to 2048 was
  read), and on an RTX 4090 (152 counts were read; straight lines between them). Each comes as
  it is read, and stretched so that the full count costs what 2048 tokens do;
- staircase: tiles of 32 to 128 tokens, a slope, noise of 3 % and a stretch of slow counts.

All blocks share a curve; the last costs two thirds of it in the measured problems. No curve
had to be carried beyond its last reading.
"""

from __future__ import annotations

import csv
import functools
import gzip
import os
import re
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optimizer.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["KINDS", "MODELS", "Case", "size_of", "suite"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MODELS = {
    "DeiT-S": (12, 197),
    "ViT-B/384": (12, 577),
    "ViT-L/384": (24, 577),
    "DINOv2-g": (40, 1370),
}
"""Blocks, and tokens before the first cut."""

KINDS = (
    "measured, cuts free",
    "measured, cuts cost",
    "staircase, cuts free",
    "staircase, cuts cost",
    "weighted by block",
    "table of values",
    "at most 3 cuts",
    "damage by block",
)
"""The lines of the table. The last four are measured curves where cuts cost 1 %."""

_SHARES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_FEW_SHARES = (0.5, 0.8)
"""Budgets of the last four kinds."""

_FILES = {
    "3090": "rtx3090_llama8b_tp1.csv.gz",
    "3090x2": "rtx3090_llama8b_tp2.csv.gz",
    "4090": "rtx4090_llama8b_tp1_sparse.csv.gz",
}
_LAST = 2048
_STAIRCASES = 6
_SIZE = re.compile(r"([1-9][0-9]{0,2})x([1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class Case:
    """One problem of the suite; built when it is needed.

    Attributes:
        model: of `MODELS`, or a size like 12x197.
        kind: of `KINDS`.
        name: curve, first block that may cut, cost of a cut and budget, the last two as
            shares of the unpruned latency: of one block, and of the model.
        make: builds it.
    """

    model: str
    kind: str
    name: str
    make: Callable[[], Problem]


def size_of(model: str) -> tuple[int, int]:
    """Blocks and tokens of a model, or of a size like 12x197.

    Raises:
        SystemExit: it is neither.
    """
    found = _SIZE.fullmatch(model)
    if model not in MODELS and not found:
        sys.exit(f"--model {model}: must be one of {', '.join(MODELS)}, or a size like 12x197")
    return MODELS[model] if found is None else (int(found[1]), int(found[2]))


def suite(model: str) -> list[Case]:
    """Every problem of a size, kinds together; measured ones only where they are there."""
    size_of(model)
    made = list(_staircases(model))
    folder = _folder()
    if folder.is_dir():
        made += _measured(model)
    else:
        print(
            f"skipped: measured curves, since {folder} is not there; set LATMODEL_DATA to the "
            "folder of readings",
            file=sys.stderr,
        )
    return sorted(made, key=lambda case: KINDS.index(case.kind))


def _folder() -> Path:
    beside = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    return Path(os.environ.get("LATMODEL_DATA", beside)) / "dense_curves"


def _starts(model: str) -> tuple[int, ...]:
    """The first block that may cut: after a quarter of them, or any."""
    return (size_of(model)[0] // 4, 0)


def _measured(model: str) -> Iterator[Case]:
    for kind, costs, shares in (
        (KINDS[0], (0.0,), _SHARES),
        (KINDS[1], (0.01, 0.05), _SHARES),
        *((kind, (0.01,), _FEW_SHARES) for kind in KINDS[4:]),
    ):
        for first, curve, stretched, cost, share in product(
            _starts(model), _FILES, (False, True), costs, shares
        ):
            make = functools.partial(
                _from_curve, model, kind, curve, stretched, first, share, cost
            )
            label = f"{curve}{' stretched' if stretched else ''}"
            yield Case(model, kind, f"{label}, from {first}, cut {cost:g}, {share}", make)


def _staircases(model: str) -> Iterator[Case]:
    for first, share, seed in product(_starts(model), _SHARES, range(_STAIRCASES)):
        for kind, cost in ((KINDS[2], 0.0), (KINDS[3], 0.05)):
            make = functools.partial(_staircase, model, seed, first, share, cost)
            yield Case(model, kind, f"seed {seed}, from {first}, cut {cost}, {share}", make)


@functools.cache
def _readings(curve: str) -> tuple[Floats, Floats]:
    """Counts, and the sum of all layers at each in us."""
    sums: dict[int, float] = {}
    with gzip.open(_folder() / _FILES[curve], "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            taken = row["latency_us"] if "latency_us" in row else row["time_us"]
            sums[int(row["tokens"])] = sums.get(int(row["tokens"]), 0.0) + float(taken)
    counts = sorted(sums)
    return np.array(counts, dtype=float), np.array([sums[count] for count in counts])


def _from_curve(
    model: str, kind: str, curve: str, stretched: bool, first: int, share: float, cost: float
) -> Problem:
    depth, full = size_of(model)
    counts = np.arange(1, full + 1)
    known, taken_us = _readings(curve)
    at = counts * (_LAST / full if stretched else 1.0)
    segments = np.tile(
        np.ceil(1e3 * np.interp(at, known, taken_us)).astype(np.int64), (depth, 1)
    )
    segments[-1] = segments[-1] * 2 // 3
    # Choosing and moving tokens costs a little more the more are left.
    cut = int(segments[0, -1] * cost) + (10 * counts if cost else 0 * counts)
    return Problem(
        counts=counts,
        value=_values(kind, depth, counts),
        segment_ns=segments,
        cut_ns=np.tile(cut, (depth, 1)),
        fixed_ns=12_345,
        budget_ns=int(segments[:, -1].sum() * share) + 12_345,
        earliest_cut=first,
        max_cuts=3 if kind == KINDS[6] else None,
    )


def _values(kind: str, depth: int, counts: Ints) -> Ints:
    rng = np.random.default_rng(0)
    kept = np.tile(counts, (depth, 1))
    if kind == KINDS[4]:
        return kept * rng.integers(1, 100, (depth, 1))
    if kind == KINDS[5]:
        table: Ints = np.cumsum(rng.integers(0, 1000, kept.shape), axis=1)
        return table
    if kind == KINDS[7]:
        return _damages(rng, depth, counts)
    return kept


def _damages(rng: np.random.Generator, depth: int, counts: Ints) -> Ints:
    """As measured values are: a smooth damage by block and count, which adds up over cuts.

    A cut does the damage of the count that it leaves less that of the count before, each at
    its own block, and blocks differ ten times: so values rise and fall, many below zero.
    """
    dropped = 1 - counts / counts[-1]
    weight = np.exp(rng.uniform(0, np.log(10), (depth, 1)))
    damage = 1e8 * weight * dropped ** rng.uniform(1, 4, (depth, 1))
    after = np.vstack([damage[1:], np.zeros((1, len(counts)))])
    value: Ints = np.rint(after - damage).astype(np.int64)
    return value


def _staircase(model: str, seed: int, first: int, share: float, most: float) -> Problem:
    """As a rule a cut costs 0 to `most` of a block."""
    depth, full = size_of(model)
    rng = np.random.default_rng(seed)
    counts = np.arange(1, full + 1)
    tile = rng.choice([32, 48, 64, 128])
    curve = 200 + 300 * -(-counts // tile) + rng.uniform(0, 2) * counts
    curve = curve * rng.uniform(0.97, 1.03, full) * np.where(counts % 97 < 12, 1.1, 1.0)
    segments = np.tile((1000 * curve).astype(np.int64), (depth, 1))
    return Problem(
        counts=counts,
        value=np.tile(counts, (depth, 1)),
        segment_ns=segments,
        cut_ns=np.full((depth, full), int(segments[0, -1] * rng.uniform(0, most))),
        fixed_ns=int(rng.integers(0, 10**5)),
        budget_ns=int(segments[:, -1].sum() * share) + 10**5,
        earliest_cut=first,
    )
