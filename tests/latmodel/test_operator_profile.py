"""A profile of operators, trees and all: a text file whose use needs no learning library."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import latmodel
from latmodel.errors import FieldError
from latmodel.forest import Forest
from latmodel.operators import OperatorModel
from latmodel.slowdowns import Governor, Throttle
from latmodel.trees import Tree
from tests.latmodel.golden import PAPER, PAPER_VIT
from tests.latmodel.paper_parts import KERNEL, MODEL, PRODUCT, STREAM, WIDE

ROOT = Path(__file__).resolve().parent.parent.parent

OPERATORS = OperatorModel(
    products=(
        replace(
            PRODUCT,
            kernels=(replace(KERNEL, split_choice=Tree.parse("red<=8 1 2")), WIDE),
            choice=Tree.parse("rows<=2 0 1"),
            governor=Governor(extra=0.5, ramp_ns=100.0),
            throttle=Throttle(extra=0.25, ramp_ns=1e5),
            correction=Forest.parse(["7", "pad8x8<=1.5 t1<=1 300 -200 memory/busy<=0.1 5 9"]),
        ),
    ),
    streams=(replace(STREAM, correction=Forest.parse(["width%4<=0.5 0 500"])),),
    mode="graph",  # in which every kernel is felt, however long a launch takes
)
PROFILE = replace(PAPER, name="trees", curves=(), operators=OPERATORS)

READ_AND_ASK = """
import json, sys
import latmodel
profile = latmodel.read_profile(sys.argv[1])
table = profile.table(latmodel.Workload(**json.loads(sys.argv[2])))
heavy = {"sklearn", "torch", "timm", "scipy", "pandas", "matplotlib", "threadpoolctl"}
print(json.dumps([table.dense_ns, sorted(heavy & set(sys.modules))]))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The profile, in a file."""
    place = tmp_path / "trees.yaml"
    latmodel.write_profile(place, PROFILE)
    return place


def test_trees_come_back_from_a_profile_bit_for_bit(place: Path) -> None:
    assert latmodel.read_profile(place) == PROFILE


def test_trees_take_part_in_a_table() -> None:
    """Or it would not matter that they can be read."""
    bare = replace(PROFILE, operators=replace(MODEL, mode="graph"))
    assert PROFILE.table(PAPER_VIT).dense_ns != bare.table(PAPER_VIT).dense_ns


def test_reading_a_profile_and_asking_it_needs_no_learning_library(place: Path) -> None:
    """Nor torch: a fresh process reads trees and builds a table with numpy alone."""
    workload = PAPER_VIT.to_dict()
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-W", "error", "-c", READ_AND_ASK, str(place), json.dumps(workload)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [PROFILE.table(PAPER_VIT).dense_ns, []]


def test_what_is_wrong_in_a_tree_is_told_by_its_place(place: Path) -> None:
    text = place.read_text(encoding="utf-8")
    place.write_text(text.replace("pad8x8<=1.5", "pad9x9<=1.5"), encoding="utf-8")
    with pytest.raises(FieldError) as caught:
        latmodel.read_profile(place)
    assert str(caught.value) == (
        f"{place}: operators.products[0].correction tests 'pad9x9', which no shape has"
    )
