from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from latmodel.errors import FieldError, WorkloadError
from latmodel.fields import Fields
from latmodel.workload import KINDS, Workload
from tests.latmodel.golden import PAPER_VIT
from tests.latmodel.strategies import workloads

COUNTS = ("depth", "dim", "heads", "head_dim", "mlp_width", "tokens", "batch", "patch_inputs")


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1])
def test_counts_must_be_positive(name: str, value: int) -> None:
    change: dict[str, Any] = {name: value}
    with pytest.raises(WorkloadError) as caught:
        replace(PAPER_VIT, **change)
    assert str(caught.value) == f"{name} is {value}: must be 1 or more"


@pytest.mark.parametrize(
    ("name", "most"), [("depth", 1000), ("tokens", 100_000), ("dim", 10**7), ("batch", 10**7)]
)
def test_counts_beyond_any_model_are_refused(name: str, most: int) -> None:
    """A table of them would not fit into memory."""
    change: dict[str, Any] = {name: most + 1}
    with pytest.raises(WorkloadError) as caught:
        replace(PAPER_VIT, **change)
    assert str(caught.value) == f"{name} is {most + 1}: must be at most {most}"


@pytest.mark.parametrize("prefix", [-1, 4, 5])
def test_the_prefix_leaves_a_patch(prefix: int) -> None:
    with pytest.raises(WorkloadError) as caught:
        replace(PAPER_VIT, prefix=prefix)
    assert str(caught.value) == (f"prefix is {prefix}: must be 0 or more and below tokens (4)")


def test_a_dtype_is_one_of_three() -> None:
    with pytest.raises(WorkloadError) as caught:
        replace(PAPER_VIT, dtype="int8")
    assert str(caught.value) == "dtype is 'int8': must be one of fp32, fp16, bf16"


def test_a_model_without_head_has_no_classes() -> None:
    assert replace(PAPER_VIT, classes=0).classes == 0
    with pytest.raises(WorkloadError, match="classes is -1: must be 0 or more"):
        replace(PAPER_VIT, classes=-1)


def test_patches_are_what_a_cut_may_drop() -> None:
    assert (PAPER_VIT.patches, replace(PAPER_VIT, prefix=0).patches) == (3, 4)


def test_at_changes_batch_and_dtype_alone() -> None:
    assert PAPER_VIT.at() == PAPER_VIT
    assert PAPER_VIT.at(batch=8) == replace(PAPER_VIT, batch=8)
    assert PAPER_VIT.at(dtype="fp16") == replace(PAPER_VIT, dtype="fp16")


def test_at_repairs_nothing_in_silence() -> None:
    with pytest.raises(WorkloadError, match="batch is 0: must be 1 or more"):
        PAPER_VIT.at(batch=0)
    with pytest.raises(WorkloadError, match="dtype is '': must be one of"):
        PAPER_VIT.at(dtype="")


def test_a_name_is_no_shape() -> None:
    other = replace(PAPER_VIT, model="other")
    assert PAPER_VIT.same_shapes(other)
    assert PAPER_VIT.differences(other) == ()


def test_differences_are_named_in_order() -> None:
    other = replace(PAPER_VIT, qk_norm=False, depth=3, batch=2)
    assert not PAPER_VIT.same_shapes(other)
    assert PAPER_VIT.differences(other) == ("depth", "batch", "qk_norm")


@given(ours=workloads(), theirs=workloads())
def test_same_shapes_means_no_differences(ours: Workload, theirs: Workload) -> None:
    assert ours.same_shapes(theirs) == (ours.differences(theirs) == ())


@given(workload=workloads())
def test_reading_inverts_writing(workload: Workload) -> None:
    assert Workload.from_fields(Fields(workload.to_dict())) == workload


@pytest.mark.parametrize("name", [*PAPER_VIT.to_dict()])
def test_no_field_may_be_left_out(name: str) -> None:
    values = PAPER_VIT.to_dict()
    del values[name]
    with pytest.raises(FieldError) as caught:
        Workload.from_fields(Fields(values, "workload"))
    assert str(caught.value) == f"workload.{name}: missing"


def test_a_plain_kind_goes_without_saying() -> None:
    """Files that were written before there were others read as they did."""
    assert "kind" not in PAPER_VIT.to_dict()
    assert Workload.from_fields(Fields(PAPER_VIT.to_dict())).kind == "plain"


def test_what_a_head_reads_is_no_shape_and_said_only_of_a_prefix() -> None:
    """Curves that were measured before it was known still answer."""
    other = replace(PAPER_VIT, prefix_head=True)
    assert PAPER_VIT.same_shapes(other)
    assert PAPER_VIT.differences(other) == ()
    assert "prefix_head" not in PAPER_VIT.to_dict()
    assert other.to_dict()["prefix_head"] is True
    assert Workload.from_fields(Fields(other.to_dict())) == other


def test_a_head_reads_no_prefix_that_is_not_there() -> None:
    with pytest.raises(WorkloadError) as caught:
        replace(PAPER_VIT, prefix=0, prefix_head=True)
    assert str(caught.value) == "prefix_head is True and prefix is 0: there is nothing to read"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_kept_and_told_from_others(kind: str) -> None:
    workload = replace(PAPER_VIT, kind=kind)
    assert Workload.from_fields(Fields(workload.to_dict())) == workload
    assert workload.same_shapes(PAPER_VIT) == (kind == "plain")
    assert bool(workload.left_out) == (kind not in ("plain", "reordered"))


def test_a_kind_is_one_of_those_known() -> None:
    with pytest.raises(WorkloadError) as caught:
        replace(PAPER_VIT, kind="round")
    assert str(caught.value) == (
        "kind is 'round': must be one of plain, reordered, rotary, biased, differential, "
        "flexible, sandwich"
    )
