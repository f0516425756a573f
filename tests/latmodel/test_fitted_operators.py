from __future__ import annotations

from dataclasses import replace

import pytest

from latmodel.errors import ProfileError
from latmodel.fitted_operators import (
    MOST_PERCENT,
    FittedOperators,
    PartErrors,
    merged,
    sharing,
)
from latmodel.kernels import Kernel
from latmodel.operator_kinds import STREAMS
from latmodel.operator_rivals import Errors
from latmodel.operators import OperatorModel
from latmodel.part_deriving import completed
from latmodel.products import ProductModel
from latmodel.profile import ErrorFigure

WHOLE = ("linear", "bmm", *STREAMS)


def fitted(*timed: str, dtype: str = "fp32", percent: float = 4.0) -> FittedOperators:
    """Operators of which some kinds were timed, and the others derived."""
    linear = ProductModel(
        kinds=("linear",),
        dtypes=(dtype,),
        sms=4,
        bandwidth_gb_s=90.0,
        launch_ns=(3000.0,),
        kernels=(Kernel(name="a", tile_rows=64, tile_columns=64, element_ns=2.0),),
    )
    parts = completed([linear], sms=4, bandwidth_gb_s=100.0)
    errors = Errors(percent, 3.0, 90.0)
    return FittedOperators(
        model=OperatorModel(products=parts.products, streams=parts.streams, gap_ns=2.0),
        held_out=tuple(PartErrors(kind, dtype, 20, 80, errors) for kind in timed),
        assumed=(f"{dtype} was assumed",),
    )


def test_operators_timed_whole_are_of_medium_confidence_and_say_so() -> None:
    whole = fitted(*WHOLE)
    assert (whole.confidence, whole.derived, whole.warnings()) == ("medium", (), ())
    assert list(whole.derivations()) == []
    assert whole.measured() == (
        "fp32: linear (100 timings), bmm (100 timings), softmax (100 timings), norm (100 "
        "timings), gelu (100 timings), add (100 timings)"
    )


def test_fused_attention_may_stand_in_for_bmm() -> None:
    timed = ("attention" if kind == "bmm" else kind for kind in WHOLE)
    assert fitted(*timed).confidence == "medium"


@pytest.mark.parametrize("missing", WHOLE)
def test_one_kind_that_was_not_timed_makes_the_confidence_low(missing: str) -> None:
    part = fitted(*(kind for kind in WHOLE if kind != missing))
    assert part.confidence == "low"
    assert part.derived == ((missing, "fp32"),)
    assert part.warnings() == tuple(f"derived, not timed: {s}" for s in part.derivations())


def test_what_was_derived_is_said() -> None:
    assert fitted("linear", "gelu", dtype="bf16").warnings() == (
        "derived, not timed: bf16: bmm from the kernels of its linears",
        "derived, not timed: bf16: softmax, norm, add from the specified bandwidth and the "
        "launch of its linears",
    )


def test_a_large_error_makes_the_confidence_low_and_a_warning() -> None:
    assert fitted(*WHOLE, percent=MOST_PERCENT).confidence == "medium"
    off = fitted(*WHOLE, percent=15.1)
    assert off.confidence == "low"
    assert off.warnings()[0] == (
        "linear in fp32 was off by 15 % in the mean on shapes held out"
    )
    assert len(off.warnings()) == len(WHOLE)


def test_errors_are_stated_as_a_profile_states_them() -> None:
    entry = PartErrors("bmm", "bf16", 20, 80, Errors(4.04, 3.0, 90.0))
    assert entry.figure == ErrorFigure(
        what="bmm in bf16, shapes held out", mean_percent=4.0, rows=20
    )


def test_merged_operators_are_as_sure_as_the_weakest_dtype() -> None:
    both = merged([fitted(*WHOLE), fitted("linear", dtype="bf16")])
    assert both.model.dtypes == ("fp32", "bf16")
    assert both.confidence == "low"
    assert {dtype for _, dtype in both.derived} == {"bf16"}
    assert both.assumed == ("fp32 was assumed", "bf16 was assumed")
    assert both.measured().endswith("add (100 timings); bf16: linear (100 timings)")
    assert merged([fitted(*WHOLE), fitted(*WHOLE, dtype="bf16")]).confidence == "medium"


def test_merged_operators_keep_the_shortest_gap_and_the_longest_dispatch() -> None:
    one, other = fitted(*WHOLE), fitted(*WHOLE, dtype="bf16")
    other = replace(other, model=replace(other.model, gap_ns=1.0, dispatch_ns=8.0))
    assert (merged([one, other]).model.gap_ns, merged([one, other]).model.dispatch_ns) == (1, 8)


def test_a_kind_that_two_sources_timed_is_refused() -> None:
    with pytest.raises(ProfileError) as caught:
        merged([fitted(*WHOLE), fitted("linear")])
    assert str(caught.value) == "linear in fp32 has two models: allowed is one"


def test_a_dtype_that_shares_kernels_answers_alike_and_says_so() -> None:
    both = sharing(fitted(*WHOLE, dtype="bf16"), timed="bf16", also="fp16")
    dims = {"rows": 197, "in_features": 384, "out_features": 1536}
    assert both.model.latency_ns("linear", dtype="fp16", **dims) == both.model.latency_ns(
        "linear", dtype="bf16", **dims
    )
    assert all(both.model.knows(kind, "fp16") for kind in WHOLE)
    assert (both.confidence, both.derived) == ("low", ())
    assert both.warnings() == (
        "derived, not timed: fp16 as bf16, whose kernels it shares; not timed in fp16",
    )


@pytest.mark.parametrize(("timed", "also"), [("fp32", "fp16"), ("bf16", "bf16")])
def test_only_what_is_known_can_be_shared_and_only_with_what_is_not(
    timed: str, also: str
) -> None:
    with pytest.raises(ProfileError) as caught:
        sharing(fitted(*WHOLE, dtype="bf16"), timed=timed, also=also)
    assert str(caught.value) == (
        f"{also} cannot share what was timed in {timed}: the model knows bf16"
    )
