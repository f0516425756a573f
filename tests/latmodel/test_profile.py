from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.operators import OperatorModel
from latmodel.profile import DeviceProfile
from tests.latmodel.golden import PAPER, PAPER_OPERATORS, PAPER_VIT, WHOLE
from tests.latmodel.operator_devices import SMALL, UNFUSED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"curves": ()}, "the profile holds neither curves nor operators"),
        ({"provenance": ()}, "provenance is empty: name at least one source"),
        ({"confidence": "sure"}, "confidence is 'sure': must be one of high, medium, low"),
    ],
)
def test_a_profile_must_be_able_to_answer(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        replace(PAPER, **change)
    assert str(caught.value) == message


def test_a_measured_workload_is_answered_by_its_curve() -> None:
    """By its shapes: what the model is called does not matter."""
    profile = replace(PAPER, curves=(WHOLE,))
    table = profile.table(replace(PAPER_VIT, model="the same by another name"))
    assert table.origin == "measured curve of paper_vit, 4 probes"
    assert table.dense_ns == 131


def test_of_several_curves_the_fitting_one_answers() -> None:
    at_batch_2 = replace(WHOLE, workload=PAPER_VIT.at(batch=2), ends_ns=99)
    profile = replace(PAPER, curves=(WHOLE, at_batch_2))
    assert profile.table(PAPER_VIT).fixed_ns == 70
    assert profile.table(PAPER_VIT.at(batch=2)).fixed_ns == 119


def test_what_was_not_measured_is_refused_with_the_command_that_measures_it() -> None:
    with pytest.raises(ProfileError) as caught:
        PAPER.table(replace(PAPER_VIT, model="deit", depth=3).at(batch=8, dtype="fp16"))
    assert str(caught.value) == (
        "profile 'paper' was measured for paper_vit at batch 1 in fp32, not for deit at batch "
        "8 in fp16 (they differ in depth, batch, dtype); measure it: latmodel probe --model "
        "deit --batch 8 --dtype fp16 --out FILE"
    )


BOTH = replace(PAPER, curves=(WHOLE,), operators=UNFUSED)
"""A measured workload, and the operators of every other."""


def test_operators_answer_where_nothing_was_measured() -> None:
    assert BOTH.table(SMALL).origin.startswith("operator model (eager: ")
    assert BOTH.table(PAPER_VIT).origin.startswith("measured curve of paper_vit")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "eager"}, ("(eager: ", "attention unfused")),
        ({"mode": "graph"}, ("(graph: ", "attention unfused")),
        ({"attention": "fused"}, ("(eager: ", "attention fused (derived from bmm)")),
    ],
)
def test_a_mode_that_is_named_is_the_operators_even_where_a_curve_was_measured(
    options: dict[str, str], words: tuple[str, str]
) -> None:
    """A curve has the mode of the runtime that it was measured in."""
    origin = BOTH.table(PAPER_VIT, **options).origin
    assert all(word in origin for word in words)


def test_a_mode_needs_operators() -> None:
    with pytest.raises(ProfileError) as caught:
        PAPER.table(PAPER_VIT, mode="eager")
    assert str(caught.value) == (
        "profile 'paper' has curves only, no operator model: a mode, an attention or a "
        "latency by operator cannot be told from them"
    )


def test_a_breakdown_is_of_the_operators_even_where_a_curve_was_measured() -> None:
    found = BOTH.breakdown(PAPER_VIT, 3, mode="sum", attention="fused")
    table = BOTH.table(PAPER_VIT, mode="sum", attention="fused")
    assert found.mode == "sum"
    assert found.latency_ns == table.latency_ns((3, 3))
    assert "attention" in [row.role for row in found.rows]


def test_a_breakdown_needs_operators() -> None:
    with pytest.raises(ProfileError) as caught:
        PAPER.breakdown(PAPER_VIT, 4)
    assert str(caught.value) == (
        "profile 'paper' has curves only, no operator model: a mode, an attention or a "
        "latency by operator cannot be told from them"
    )


def known_in(*dtypes: str) -> OperatorModel:
    products = tuple(replace(part, dtypes=dtypes) for part in UNFUSED.products)
    streams = tuple(replace(part, dtypes=dtypes) for part in UNFUSED.streams)
    return replace(UNFUSED, products=products, streams=streams)


@pytest.mark.parametrize(
    ("curves", "operators", "dtypes", "default"),
    [
        (("fp32",), None, ("fp32",), "fp32"),
        (("bf16", "fp16", "bf16"), None, ("bf16", "fp16"), "bf16"),
        (("bf16",), ("fp16", "fp32"), ("bf16", "fp16", "fp32"), "fp32"),
        ((), ("bf16", "fp16"), ("bf16", "fp16"), "bf16"),
    ],
)
def test_fp32_is_meant_where_it_is_known_and_else_the_first(
    curves: tuple[str, ...],
    operators: tuple[str, ...] | None,
    dtypes: tuple[str, ...],
    default: str,
) -> None:
    measured = tuple(
        replace(WHOLE, workload=PAPER_VIT.at(batch=n + 1, dtype=dtype))
        for n, dtype in enumerate(curves)
    )
    model = None if operators is None else known_in(*operators)
    profile = replace(PAPER, curves=measured, operators=model)
    assert profile.dtypes == dtypes
    assert profile.default_dtype == default


def test_a_dtype_without_every_operator_is_none_of_a_profiles() -> None:
    """Linears alone make no model; then fp32 is asked for, and refused with the reason."""
    (streams,) = UNFUSED.streams
    part = replace(streams, kinds=("norm",), launch_ns=(1.0,))
    profile = replace(PAPER, curves=(), operators=replace(UNFUSED, streams=(part,)))
    assert (profile.dtypes, profile.default_dtype) == ((), "fp32")
    with pytest.raises(
        ProfileError, match=r"does not know softmax, add, gelu in it; .*: none$"
    ):
        profile.table(SMALL)


def test_a_profile_of_curves_knows_no_operators() -> None:
    with pytest.raises(ProfileError) as caught:
        PAPER.operator_ns("norm", rows=1, width=1)
    assert str(caught.value) == "profile 'paper' has curves only, no operator model"


@pytest.mark.parametrize("profile", [PAPER, PAPER_OPERATORS], ids=lambda p: p.name)
def test_reading_inverts_writing(profile: DeviceProfile) -> None:
    assert DeviceProfile.from_fields(Fields(profile.to_dict()), profile.name) == profile


def test_a_file_without_a_mode_means_eager() -> None:
    values: Any = PAPER_OPERATORS.to_dict()
    del values["operators"]["mode"]
    operators = DeviceProfile.from_fields(Fields(values), "paper").operators
    assert operators is not None
    assert operators.mode == "eager"


def test_a_mode_that_is_none_is_refused() -> None:
    values: Any = PAPER_OPERATORS.to_dict()
    values["operators"]["mode"] = "lazy"
    with pytest.raises(FieldError) as caught:
        DeviceProfile.from_fields(Fields(values), "paper")
    assert str(caught.value) == (
        "operators.mode: found text 'lazy', allowed is one of eager, graph, sum"
    )


def test_what_is_empty_need_not_stand_in_the_file() -> None:
    bare = replace(PAPER, environment=None, errors=(), warnings=())
    values = bare.to_dict()
    assert "environment" not in values
    for name in ("errors", "warnings"):
        assert values.pop(name) == []
    assert DeviceProfile.from_fields(Fields(values), "paper") == bare


@pytest.mark.parametrize("number", [2, 0, -1, 10**9])
def test_another_format_is_refused_before_anything_else(number: int) -> None:
    """A newer file may hold anything else; its number is all that matters."""
    with pytest.raises(FieldError) as caught:
        DeviceProfile.from_fields(Fields({"format": number, "new": 1}), "paper")
    assert str(caught.value) == (
        f"format: found {number}, allowed is 1: this file was written by another version of "
        "the package"
    )
