"""A composed table is what its operators come to, and says how far it can be trusted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latmodel.composing import compose, composed_dtypes
from latmodel.errors import ProfileError
from latmodel.operators import OperatorModel
from latmodel.stretches import MODES
from latmodel.workload import Workload
from tests.latmodel.operator_devices import FUSED, SMALL, UNFUSED, with_launches
from tests.latmodel.slow_composition import FELT, Slowly

WORKLOADS = (
    SMALL,
    replace(SMALL, batch=3, dtype="fp16"),
    replace(SMALL, prefix=0, classes=0),
    replace(SMALL, prefix=5, gated_mlp=True, prefix_head=True),
    replace(SMALL, layer_scale=True, qk_norm=True, batch=2, prefix_head=True),
    replace(SMALL, gated_mlp=True, layer_scale=True, qk_norm=True, batch=2, depth=1),
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("model", [UNFUSED, FUSED], ids=["unfused", "fused"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_table_is_what_a_slow_loop_adds_up(
    workload: Workload, model: OperatorModel, mode: str
) -> None:
    attention = "fused" if model is FUSED else "unfused"
    table, slowly, felt = (
        compose(workload, model, mode=mode, attention=attention),
        Slowly(workload, model),
        FELT[mode],
    )
    assert table.counts.tolist() == list(range(1, workload.tokens + 1))
    for column, count in enumerate(range(1, workload.tokens + 1)):
        mlp, heads = slowly.mlp(count), slowly.attention(count)
        expected = [felt(mlp + heads)] * (workload.depth - 1) + [felt(mlp)]
        assert table.segment_ns[:, column] == pytest.approx(np.ceil(expected), abs=1)
        cut = math.ceil(felt(slowly.cut(count)))
        assert table.cut_ns[:, column] == pytest.approx(cut, abs=1)
        if workload.prefix_head:
            assert table.ending is not None
            last = math.ceil(felt(mlp + slowly.last_attention(count)))
            assert table.ending.segment_ns[column] == pytest.approx(last, abs=1)
    if workload.prefix_head:
        assert table.ending is not None
        last = math.ceil(felt(slowly.mlp(workload.prefix)))
        assert table.ending.mlp_ns == pytest.approx(last, abs=1)
        assert table.ending.prefix == workload.prefix
    fixed = felt(slowly.ends() + slowly.attention(workload.tokens))
    assert table.fixed_ns == pytest.approx(math.ceil(fixed), abs=1)


def test_an_ending_needs_a_head_that_reads_the_prefix_and_a_block_before() -> None:
    """Only then is there one."""
    assert compose(SMALL, UNFUSED).ending is None
    head = replace(SMALL, prefix_head=True)
    assert compose(head, UNFUSED).ending is not None
    assert compose(replace(head, depth=1), UNFUSED).ending is None


def test_the_models_own_mode_is_the_default() -> None:
    for mode in MODES:
        table = compose(SMALL, replace(UNFUSED, mode=mode))
        named = compose(SMALL, UNFUSED, mode=mode)
        assert table.segment_ns.tolist() == named.segment_ns.tolist()
        assert table.origin == named.origin


@pytest.mark.parametrize(
    "slow", [with_launches(FUSED, 1e9), with_launches(FUSED, 10, dispatch_ns=1e9)]
)
def test_launches_that_outlast_the_device_are_a_plateau(slow: OperatorModel) -> None:
    """No count is faster than another, though the correction differs from count to count.

    Five operators in each half; a host that is slow to dispatch
    is as good as one that is slow to launch.
    """
    table = compose(SMALL, slow, mode="eager")
    assert np.all(table.segment_ns[0] == 10 * 10**9)
    assert np.all(table.segment_ns[-1] == 5 * 10**9)


def test_a_graph_dispatches_nothing() -> None:
    table = compose(SMALL, UNFUSED, mode="graph")
    slow_host = replace(UNFUSED, dispatch_ns=1e9)
    assert (
        compose(SMALL, slow_host, mode="graph").segment_ns.tolist() == table.segment_ns.tolist()
    )


def test_latencies_are_rounded_up() -> None:
    slowly = Slowly(SMALL, UNFUSED)
    exact_ns = FELT["graph"](slowly.mlp(1) + slowly.attention(1))
    assert exact_ns % 1 > 0
    assert compose(SMALL, UNFUSED, mode="graph").segment_ns[0, 0] == math.ceil(exact_ns)


@settings(max_examples=30)
@given(
    st.integers(1, 3),
    st.integers(1, 8),
    st.integers(2, 40),
    st.booleans(),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
)
def test_a_graph_is_never_slower_than_eager_nor_eager_than_the_sum(
    batch: int, heads: int, tokens: int, gated: bool, launch: float, gap: float, dispatch: float
) -> None:
    workload = replace(SMALL, batch=batch, heads=heads, tokens=tokens, gated_mlp=gated)
    model = replace(with_launches(UNFUSED, launch, dispatch_ns=dispatch), gap_ns=gap)
    graph, eager, waited = (
        compose(workload, model, mode=mode) for mode in ("graph", "eager", "sum")
    )
    for quick, slow in ((graph, eager), (eager, waited)):
        assert np.all(quick.segment_ns <= slow.segment_ns)
        assert np.all(quick.cut_ns <= slow.cut_ns)
        assert quick.fixed_ns <= slow.fixed_ns


@settings(max_examples=30)
@given(
    st.integers(1, 3),
    st.integers(1, 8),
    st.integers(2, 40),
    st.booleans(),
    st.sampled_from(MODES),
)
def test_more_tokens_never_cost_less_where_nothing_is_corrected(
    batch: int, heads: int, tokens: int, gated: bool, mode: str
) -> None:
    """A law of the wave model, not of devices: one kernel, no choice, no correction."""
    workload = replace(SMALL, batch=batch, heads=heads, tokens=tokens, gated_mlp=gated)
    plain = tuple(replace(part, correction=type(part.correction)(())) for part in FUSED.streams)
    table = compose(workload, replace(FUSED, streams=plain), mode=mode)
    assert np.all(np.diff(table.segment_ns) >= 0)


def test_the_error_is_that_of_what_is_felt() -> None:
    """Slow launches: each operator's error weighs as its launch does, here all alike."""
    slow = with_launches(UNFUSED, 1e9)
    wide = replace(slow, products=tuple(replace(part, fitted=()) for part in slow.products))
    # Attention half: norm, qkv, two bmm, softmax, projection, residual; MLP half: norm, two
    # linears, gelu, residual.
    shares = (4 * 0.1 + 2 * 0.2 + 6 * 0.02) / 12
    assert compose(SMALL, wide).relative_error == pytest.approx(shares)


def test_the_error_grows_outside_the_fitted_rows() -> None:
    """One error for all kinds must come out as itself; at 4 rows of 8 to 32, ln 2 more."""
    alike = replace(
        UNFUSED,
        products=tuple(
            replace(part, relative_error=0.1, fitted=UNFUSED.products[0].fitted[:1])
            for part in UNFUSED.products
        ),
        streams=tuple(
            replace(part, relative_error=0.1, fitted=UNFUSED.products[0].fitted[:1])
            for part in UNFUSED.streams
        ),
    )
    one_map = replace(SMALL, heads=1)  # so that softmax too has as many rows as tokens
    error = compose(one_map, alike).relative_error
    assert error[8 - 1 :] == pytest.approx(0.1)
    assert error[4 - 1] == pytest.approx(0.1 * (1 + math.log(2)))


def test_a_table_names_its_origin_and_what_is_extrapolated() -> None:
    table = compose(SMALL.at(batch=2), UNFUSED)
    assert table.origin == (
        "operator model (eager: the slower of host and device), composed for small at batch 2 "
        "in fp32, attention unfused"
    )
    assert table.warnings == (
        "asked outside the readings, where latency is extrapolated and its error grows: "
        "linear rows 2 to 52 (read 8 to 32), linear in_features 48 (read 64 to 256)",
    )


def test_nothing_is_warned_of_inside_the_readings() -> None:
    """Few rows, as at the first counts and in the head, are told by the error alone."""
    assert compose(replace(SMALL, patch_inputs=64), UNFUSED).warnings == ()


def test_a_graph_whose_gaps_were_not_read_says_so() -> None:
    (warning,) = compose(
        replace(SMALL, patch_inputs=64), replace(UNFUSED, gap_ns=0.0), mode="graph"
    ).warnings
    assert warning == (
        "the readings do not tell the device's part of a launch (gap_ns is 0), which a graph "
        "still pays: its latency is a lower bound"
    )


def test_fused_attention_that_was_read_is_taken_unless_refused() -> None:
    assert compose(SMALL, FUSED).origin.endswith("attention fused")
    assert compose(SMALL, FUSED, attention="fused").origin.endswith("attention fused")
    unfused = compose(SMALL, FUSED, attention="unfused")
    assert unfused.origin.endswith("attention unfused")
    gap = replace(UNFUSED, gap_ns=FUSED.gap_ns)
    assert unfused.segment_ns.tolist() == compose(SMALL, gap).segment_ns.tolist()


def test_in_16_bits_attention_is_fused_whether_or_not_it_was_read() -> None:
    half = SMALL.at(dtype="fp16")
    assert compose(half, UNFUSED).origin.endswith("attention fused (derived from bmm)")
    assert compose(half, UNFUSED, attention="unfused").origin.endswith("attention unfused")
    assert compose(SMALL, UNFUSED).origin.endswith("attention unfused")


def test_fused_attention_that_was_not_read_says_that_it_is_derived() -> None:
    table = compose(replace(SMALL, patch_inputs=64), UNFUSED, attention="fused")
    assert table.origin.endswith("attention fused (derived from bmm)")
    assert table.warnings == (
        "fused attention was not read on this device: it is derived from bmm, as one launch, "
        "the arithmetic of both products and no map of scores in memory; its error is a guess",
    )
    assert np.all(table.segment_ns[0] < compose(SMALL, UNFUSED).segment_ns[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "lazy"}, "mode is 'lazy': must be one of eager, graph, sum"),
        ({"attention": "flash"}, "attention is 'flash': must be one of fused, unfused"),
    ],
)
def test_an_unknown_choice_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        compose(SMALL, UNFUSED, **options)
    assert str(caught.value) == message


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(ProfileError) as caught:
        compose(SMALL.at(dtype="bf16"), UNFUSED)
    assert str(caught.value) == (
        "dtype is 'bf16': the operator model does not know norm, linear, bmm, softmax, add, "
        "gelu in it; number formats in which it knows all that a vision transformer needs: "
        "fp32, fp16"
    )


def test_streams_that_lack_the_dtype_are_named() -> None:
    """Linears in a format are not enough."""
    (streams,) = UNFUSED.streams
    part = replace(streams, kinds=("norm", "gelu"), launch_ns=(1.0, 1.0), dtypes=("fp16",))
    model = replace(UNFUSED, streams=(replace(streams, dtypes=("fp32",)), part))
    assert model.dtypes == ("fp32", "fp16")
    assert composed_dtypes(model) == ("fp32",)
    with pytest.raises(ProfileError) as caught:
        compose(SMALL.at(dtype="fp16"), model)
    assert str(caught.value) == (
        "dtype is 'fp16': the operator model does not know add, softmax in it; number formats "
        "in which it knows all that a vision transformer needs: fp32"
    )


def test_what_blocks_do_beside_the_operators_is_said() -> None:
    rotary = replace(SMALL, kind="rotary")
    (warning,) = (w for w in compose(rotary, UNFUSED).warnings if "leaves out" in w)
    assert warning.startswith(f"{SMALL.model} is rotary: its latency leaves out the rotation")
