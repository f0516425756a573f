"""What the operators benchmark holds out, and which shapes it takes for a transformer's."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latmodel.catalogue import read_profile
from latmodel.operator_kinds import DIMS
from latmodel.operator_readings import OperatorReadings

Load = Callable[[str], Any]
ROOT = Path(__file__).resolve().parents[2]


def readings(kind: str, shapes: Sequence[tuple[int, ...]]) -> OperatorReadings:
    """Each shape once; a latency of 100 ns, 200 ns and so on."""
    columns = np.array(shapes, dtype=np.float64).T
    return OperatorReadings(
        kind=kind,
        dtype="fp32",
        sizes=dict(zip(DIMS[kind], columns, strict=True)),
        latency_ns=np.arange(1, len(shapes) + 1) * np.float64(100.0),
        kernels=np.full(len(shapes), ""),
        splits=np.zeros(len(shapes), dtype=np.int64),
    )


@pytest.fixture(scope="module")
def fits(benchmark_file: Load) -> Any:
    return benchmark_file("operators_fits")


@pytest.fixture(scope="module")
def errors(benchmark_file: Load) -> Any:
    return benchmark_file("operators_errors")


def test_a_layer_is_held_out_with_all_its_row_counts(fits: Any) -> None:
    layers = [(i, o) for i in range(1, 21) for o in range(1, 21)]
    shapes = [(rows, i, o) for rows in (1, 64) for i, o in layers]
    hidden = fits.layers(readings("linear", shapes), one_in=2)
    assert hidden[:400].tolist() == hidden[400:].tolist()
    assert 0.4 < np.mean(hidden) < 0.6
    assert {0, 1} == set(hidden[:20].tolist()) == set(hidden[:400:20].tolist())


def test_splits_hide_what_they_say(fits: Any) -> None:
    shapes = [(rows, i, o) for rows in (1, 2) for i in range(1, 31) for o in range(1, 31)]
    hidden = {name: hide(readings("linear", shapes)) for name, hide in fits.SPLITS.items()}
    assert {name: float(np.mean(each)) for name, each in hidden.items()} == {
        "a fifth of the shapes": pytest.approx(0.2, abs=0.05),
        "half of the shapes": pytest.approx(0.5, abs=0.05),
        "half of the layers": pytest.approx(0.5, abs=0.05),
    }
    whole = {name: np.array_equal(each[:900], each[900:]) for name, each in hidden.items()}
    assert list(whole.values()) == [False, False, True]


@pytest.mark.parametrize(
    ("shape", "like"),
    [
        ((197, 768, 768), True),
        ((197, 768, 2304), True),
        ((197, 3072, 768), True),
        ((197, 768, 900), True),  # equal to within a quarter
        ((197, 768, 1536), False),  # twice as wide is no layer of a block
        ((49, 768, 768), False),
        ((4097, 768, 768), False),
        ((197, 180, 192), False),
        ((197, 1280, 5120), False),
    ],
)
def test_linears_like_a_vit(errors: Any, shape: tuple[int, ...], like: bool) -> None:
    assert errors.like_a_vit(readings("linear", [shape])).tolist() == [like]


@pytest.mark.parametrize(
    ("shape", "like"),
    [
        ((12, 197, 197, 64), True),  # scores: rows, keys, features
        ((12, 197, 64, 197), True),  # values: rows, features, keys
        ((12, 197, 160, 64), True),
        ((12, 197, 150, 64), False),
        ((12, 49, 49, 64), False),
        ((12, 197, 197, 16), False),
        ((12, 64, 197, 197), False),
    ],
)
def test_bmms_like_a_vit(errors: Any, shape: tuple[int, ...], like: bool) -> None:
    assert errors.like_a_vit(readings("bmm", [shape])).tolist() == [like]


def test_lines_hold_the_bar_and_every_method(fits: Any, errors: Any) -> None:
    """The first of two shapes is like a transformer's."""
    unseen = readings("linear", [(197, 768, 768), (1, 768, 768)])
    said = {method: np.array([109.0, 200.0]) for method in fits.METHODS}
    said[fits.OURS] = np.array([120.0, 220.0])
    task = fits.Task("t4", "linear", "a fifth of the shapes")
    outcome = fits.Outcome(task, unseen, unseen, said)
    (line,) = errors.error_lines([outcome])
    assert line == ("t4", "linear fp32", "2", "9", *["4.5 / 4.5 / 100"] * 4, "15.0 / 15.0 / 0")
    (line,) = errors.vit_lines([outcome])
    assert line == ("t4", "linear fp32", "1", "", *["9.0 / 9.0 / 100"] * 4, "20.0 / 20.0 / 0")


def test_every_product_of_the_benchmark_has_a_card(fits: Any, benchmark_file: Load) -> None:
    operators = benchmark_file("operators")
    tasks = operators._needed(operators.PARTS)
    assert len(tasks) == len(set(tasks)) == 5 * 6 + 2 * 3
    assert {task.source for task in tasks} <= fits.CARDS.keys()


def test_parts_share_their_fits(benchmark_file: Load) -> None:
    operators = benchmark_file("operators")
    alone = operators._needed(("vit",))
    assert len(alone) == 3 + 5 * 2
    assert set(alone) <= set(operators._needed(("fp32", "bf16")))
    assert operators._needed(("models", "tables")) == []


def test_cards_are_those_of_the_public_list(fits: Any, benchmark_file: Load) -> None:
    """NeuSight's list of specifications; its 40 multiprocessors of a P4 are 20."""
    folder = Path(os.environ.get("LATMODEL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "device_specs_gpu.csv").exists():
        pytest.skip("the readings are not on this machine; LATMODEL_DATA names them")
    names = benchmark_file("operator_data").NEUSIGHT
    with (folder / "device_specs_gpu.csv").open(encoding="utf-8") as file:
        listed = {row["Device"]: row for row in csv.DictReader(file)}
    for source, device in names.items():
        card, row = fits.CARDS[source], listed[device]
        assert card.bandwidth_gb_s == float(row["Mem_Bw"])
        assert card.peak_gflops["fp32"] == float(row["SingleFLOPs"])
        assert source == "p4" or card.sms == int(row["Num_Sm"])


def test_every_table_has_a_cell_per_column(benchmark_file: Load) -> None:
    """Of the parts that need no readings: the times of a table, for each number format."""
    tables = benchmark_file("operators_tables")
    lines = list(tables.table_lines())
    assert {len(line) for line in lines} == {len(tables.TABLE_HEAD)}
    (name,) = {line[0] for line in lines}
    assert [line[1] for line in lines] == list(read_profile(name).dtypes)
    assert all(float(cell) > 0 for line in lines for cell in line[3:])


def test_steps_have_a_cell_per_column(fits: Any, benchmark_file: Load) -> None:
    """Two layers step up by a quarter and one down; ours says up, the trees say nothing."""
    steps_table = benchmark_file("operators_steps_table")
    shapes = [(rows, i, 64) for i in (64, 128, 256) for rows in (16, 17)]
    unseen = replace(
        readings("linear", shapes), latency_ns=np.array([100.0, 125, 100, 125, 100, 75])
    )
    flat, rising = np.full(6, 100.0), np.array([100.0, 110.0] * 3)
    task = fits.Task("h200", "linear", "half of the shapes")
    outcome = fits.Outcome(task, unseen, unseen, {fits.TREES: flat, fits.OURS: rising})
    lines = list(steps_table.step_lines([outcome]))
    up = ("3", "67", "100", "0", "nan", "67", "nan", "25.0")
    none = ("3", "0", "0", "0", "nan", "0", "nan", "25.0")
    assert lines == [
        ("h200", "half of the shapes", "always up", "", *up, ""),
        ("h200", "half of the shapes", "majority at these rows", "", *up, ""),
        ("h200", "half of the shapes", fits.TREES, "", *none, "0.0"),
        ("h200", "half of the shapes", fits.OURS, "90", *up, "10.0"),
    ]
    assert {len(line) for line in lines} == {len(steps_table.STEP_HEAD)}
    (by_inputs, by_outputs) = steps_table.ceiling_lines("h200", unseen)
    assert by_inputs[4:8] == ("2", "50", "50", "nan")
    assert by_outputs[4:6] == ("0", "nan")
    scatter = list(steps_table.noise_lines("h200", unseen))
    assert [line[5] for line in scatter] == ["3 of 3", *["0 of 0"] * 4]
