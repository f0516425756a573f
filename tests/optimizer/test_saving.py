from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from latmodel.errors import FieldError, LatmodelError
from optimizer.errors import OptimizerError, ScheduleError
from optimizer.optimizing import optimize
from optimizer.plan import Plan
from optimizer.saving import read_plan, write_plan
from tests.optimizer.devices import staircase_profile


@pytest.fixture
def plan() -> Plan:
    return optimize("test_vit", budget_ms=20, profile=staircase_profile())


@pytest.mark.parametrize("name", ["plan.yaml", "plan.json"])
def test_read_after_write_is_the_identity(plan: Plan, tmp_path: Path, name: str) -> None:
    write_plan(tmp_path / name, plan)
    assert read_plan(tmp_path / name) == plan


@pytest.mark.parametrize("name", ["plan.yaml", "plan.json"])
def test_a_lossless_last_cut_is_kept(tmp_path: Path, name: str) -> None:
    plan = optimize("test_vit", budget_ms=23.1, profile=staircase_profile())
    assert plan.schedule.lossless_last
    write_plan(tmp_path / name, plan)
    assert read_plan(tmp_path / name) == plan


def test_proportional_attention_is_kept_and_said_only_where_it_is(
    plan: Plan, tmp_path: Path
) -> None:
    """Files that were written before there was any read as they did."""
    assert "proportional" not in plan.to_dict()
    weighed = replace(plan, proportional=True)
    write_plan(tmp_path / "plan.yaml", weighed)
    assert read_plan(tmp_path / "plan.yaml") == weighed


def test_json_is_what_machines_read(plan: Plan, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.json", plan)
    values = json.loads((tmp_path / "plan.json").read_text())
    promised = "status model batch tokens full_tokens prefix_tokens budget_ms dense_ms"
    promised += " predicted_ms kept_fraction profile provenance warnings"
    assert set(promised.split()) <= set(values)
    assert values["tokens"] == list(plan.schedule.tokens)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", 2, "format: found an integer 2, allowed is 1"),
        ("batch", 0, "batch: found an integer 0, allowed is an integer of 1 or more"),
        ("tokens", "12", "tokens: found text '12', allowed is a list"),
        (
            "budget_ms",
            -1,
            "budget_ms: found an integer -1, allowed is a finite number of 0 or more",
        ),
        (
            "tokens",
            [101, True],
            "tokens.1: found a yes/no value True, allowed is an integer of",
        ),
        ("surprise", 1, "surprise: unknown key; known here are "),
    ],
)
def test_a_field_that_is_wrong_is_named(
    plan: Plan, tmp_path: Path, field: str, value: object, message: str
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**plan.to_dict(), field: value}))
    with pytest.raises(FieldError) as caught:
        read_plan(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_counts_edited_by_hand_are_noticed(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    tokens = [*plan.schedule.tokens[:-2], 2, 1]
    path.write_text(json.dumps({**plan.to_dict(), "tokens": tokens}))
    with pytest.raises(ScheduleError, match="the file was edited by hand"):
        read_plan(path)


def test_counts_that_rise_are_no_schedule(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**plan.to_dict(), "tokens": [50, 60, 60, 60, 60, 60]}))
    with pytest.raises(ScheduleError, match=r"tokens\[1\] is 60, above the 50 that reach it"):
        read_plan(path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": 1, "format": 1}', "[" * 100_000, "\x00", "nan"]
)
@pytest.mark.parametrize("name", ["plan.json", "plan.yaml"])
def test_what_is_no_plan_ends_in_one_line(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises((LatmodelError, OptimizerError)) as caught:
        read_plan(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dtype", "fp64", "dtype is 'fp64': must be one of fp32, fp16, bf16"),
        (
            "score",
            "banana",
            "score is 'banana': must be one of pomt, cls, value-norm, key-norm, "
            "received-attention, random",
        ),
        ("dropped", "pear", "dropped is 'pear': must be one of drop, average, merge"),
        (
            "dropped",
            "drop",
            "proportional is True and dropped is 'drop', where every token stands for one "
            "patch: choose 'average' or 'merge', or leave proportional out",
        ),
        ("dense_ms", 0, "budget, dense, predicted and fastest latency must be positive"),
        ("predicted_ms", 900, "status is 'proved optimal', with 900000000 ns predicted"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(
    plan: Plan, tmp_path: Path, field: str, value: object, message: str
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**plan.to_dict(), "proportional": True, field: value}))
    with pytest.raises(ScheduleError) as caught:
        read_plan(path)
    assert str(caught.value).startswith(f"{path}: {message}")
