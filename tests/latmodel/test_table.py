from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from latmodel.ending import Ending
from latmodel.errors import LatmodelError
from latmodel.table import LatencyTable, ceil_ns
from latmodel.uncertainty import Uncertainty
from tests.latmodel.strategies import tables


def by_hand() -> LatencyTable:
    """Two blocks at 2 and 4 tokens."""
    return LatencyTable(
        counts=np.array([2, 4]),
        segment_ns=np.array([[10, 20], [30, 40]]),
        cut_ns=np.array([[5, 0], [6, 0]]),
        fixed_ns=100,
        relative_error=np.array([0.1, 0.2]),
        origin="by hand",
    )


def looped_ns(table: LatencyTable, tokens: tuple[int, ...]) -> int:
    """The slow, obvious oracle: block by block, as the class docstring says."""
    counts = [int(count) for count in table.counts]
    total, before = table.fixed_ns, counts[-1]
    ends = table.ending is not None and tokens[-1] == table.ending.prefix
    for block, count in enumerate(tokens):
        if ends and block == table.depth - 1:
            assert table.ending is not None
            return total + table.ending.mlp_ns
        column = counts.index(count)
        if ends and block == table.depth - 2:
            assert table.ending is not None
            total += int(table.ending.segment_ns[column])
        else:
            total += int(table.segment_ns[block, column])
        if count < before:
            total += int(table.cut_ns[block, column])
        before = count
    return total


@given(data=st.data(), table=tables())
def test_latency_is_what_a_loop_over_the_blocks_adds_up(
    data: st.DataObject, table: LatencyTable
) -> None:
    count = st.sampled_from([int(count) for count in table.counts])
    drawn = data.draw(st.lists(count, min_size=table.depth, max_size=table.depth))
    tokens = tuple(sorted(drawn, reverse=True))
    if table.ending is not None and data.draw(st.booleans()):
        tokens = (*tokens[:-1], table.ending.prefix)
    assert table.latency_ns(tokens) == looped_ns(table, tokens)
    assert isinstance(table.latency_ns(tokens), int)


def test_an_ending_by_hand() -> None:
    """Fixed 100, a cut to 2 of 5, the first MLP and the last attention of 7, the last of 3."""
    ending = Ending(prefix=1, segment_ns=np.array([7, 8]), mlp_ns=3)
    table = replace(by_hand(), ending=ending)
    assert table.latency_ns((2, 1)) == 100 + 5 + 7 + 3
    assert table.latency_ns((4, 1)) == 100 + 8 + 3
    assert table.relative_error_of((2, 1)) == 0.1
    assert table.dense_ns == by_hand().dense_ns
    for tokens in ((1, 1), (2, 3), (2, 4, 1), (1,)):
        with pytest.raises(LatmodelError, match=r"^tokens must be 2 of the table's counts, "):
            table.latency_ns(tokens)
    with pytest.raises(LatmodelError, match=r"^tokens must be 2 of the table's counts, "):
        by_hand().latency_ns((2, 1))


@pytest.mark.parametrize("segment_ns", [[7], [7, 8, 9]])
def test_an_ending_has_a_value_per_count(segment_ns: list[int]) -> None:
    ending = Ending(prefix=1, segment_ns=np.array(segment_ns), mlp_ns=3)
    with pytest.raises(LatmodelError) as caught:
        replace(by_hand(), ending=ending)
    assert str(caught.value) == "an ending needs two blocks or more and one value per count"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prefix": 0}, "prefix is 0: an ending keeps 1 token or more"),
        ({"mlp_ns": -1}, "a latency of the ending is negative"),
        ({"segment_ns": np.array([1, -1])}, "a latency of the ending is negative"),
    ],
)
def test_what_is_no_ending_is_refused(changes: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"prefix": 1, "segment_ns": np.array([1, 2]), "mlp_ns": 3}
    with pytest.raises(LatmodelError) as caught:
        Ending(**(values | changes))
    assert str(caught.value) == message


@given(table=tables())
def test_keeping_every_token_costs_the_dense_latency(table: LatencyTable) -> None:
    full = int(table.counts[-1])
    assume(table.ending is None or table.ending.prefix < full)
    assert table.latency_ns((int(table.counts[-1]),) * table.depth) == table.dense_ns


@pytest.mark.parametrize(
    ("tokens", "latency"),
    [
        ((4, 4), 100 + 20 + 40),
        ((4, 2), 100 + 20 + 30 + 6),
        ((2, 2), 100 + 10 + 5 + 30),
    ],
)
def test_a_cut_is_paid_once_where_tokens_drop(tokens: tuple[int, ...], latency: int) -> None:
    assert by_hand().latency_ns(tokens) == latency
    assert (by_hand().dense_ns, by_hand().depth) == (160, 2)


@pytest.mark.parametrize(
    "tokens", [(), (4,), (4, 4, 4), (5, 4), (4, 3), (4, 0), (2, 4), (9, 9)]
)
def test_what_is_no_schedule_of_the_table_is_refused(tokens: tuple[int, ...]) -> None:
    for ask in (by_hand().latency_ns, by_hand().relative_error_of):
        with pytest.raises(LatmodelError) as caught:
            ask(tokens)
        assert str(caught.value) == (
            "tokens must be 2 of the table's counts, none above the one before"
        )


def test_a_table_keeps_copies() -> None:
    """The caller may go on writing to its own arrays, without a table noticing."""
    counts = np.array([1, 2])
    ones, errors = np.ones((1, 2), dtype=np.int64), np.zeros(2)
    table = LatencyTable(
        counts=counts,
        segment_ns=ones,
        cut_ns=ones,
        fixed_ns=0,
        relative_error=errors,
        origin="paper",
    )
    ones[:] = 7
    assert table.dense_ns == 1
    with pytest.raises(LatmodelError, match="a relative error is negative or no number"):
        replace(table, relative_error=np.array([0.1, np.nan]))


def test_the_error_of_a_schedule_is_weighed_by_its_segments() -> None:
    """Of 20 at 0.2 and 30 at 0.1, together 50: (4 + 3) / 50."""
    assert by_hand().relative_error_of((4, 2)) == pytest.approx(7 / 50)
    assert by_hand().relative_error_of((4, 4)) == pytest.approx(0.2)


def test_a_schedule_that_costs_nothing_has_no_error() -> None:
    table = replace(by_hand(), segment_ns=np.zeros((2, 2), dtype=np.int64))
    assert table.relative_error_of((4, 4)) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"segment_ns": np.array([[1, 2, 3], [1, 2, 3]])},
            "segment_ns has shape (2, 3) and cut_ns (2, 2): both must be (depth, 2)",
        ),
        (
            {"cut_ns": np.array([[1, 2]])},
            "segment_ns has shape (2, 2) and cut_ns (1, 2): both must be (depth, 2)",
        ),
        (
            {"segment_ns": np.zeros((0, 2)), "cut_ns": np.zeros((0, 2))},
            "segment_ns has shape (0, 2) and cut_ns (0, 2): both must be (depth, 2)",
        ),
        ({"counts": np.array([4, 2])}, "counts must be positive and ascend"),
        ({"counts": np.array([4, 4])}, "counts must be positive and ascend"),
        ({"counts": np.array([0, 4])}, "counts must be positive and ascend"),
        ({"relative_error": np.array([0.1])}, "relative_error must hold one value per count"),
        ({"fixed_ns": -1}, "a latency is negative"),
        ({"segment_ns": np.array([[1, -2], [3, 4]])}, "a latency is negative"),
        ({"cut_ns": np.array([[-1, 0], [0, 0]])}, "a latency is negative"),
        (
            {"uncertainty": Uncertainty.all_shared(np.array([0.1, 0.1]))},
            "uncertainty must hold one value per count, and both of its parts together come "
            "to relative_error",
        ),
        (
            {"uncertainty": Uncertainty.all_shared(np.array([0.1]))},
            "uncertainty must hold one value per count, and both of its parts together come "
            "to relative_error",
        ),
        ({"timed": np.array([True])}, "timed must hold one value per count"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(LatmodelError) as caught:
        replace(by_hand(), **change)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["counts", "segment_ns", "cut_ns", "relative_error"])
def test_a_table_cannot_be_changed(name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(by_hand(), name)[...] = 0


@given(latency=st.floats(0, 2.0**62))
def test_whole_nanoseconds_are_rounded_up(latency: float) -> None:
    """Never below, and by less than one."""
    (whole,) = ceil_ns([latency])
    assert int(whole) - 1 < latency <= int(whole)


def test_rounding_by_hand() -> None:
    assert ceil_ns([[0, 1e-9], [1, 1.5]]).tolist() == [[0, 1], [1, 2]]
    assert ceil_ns(7.2).shape == ()
    assert ceil_ns([]).tolist() == []


@pytest.mark.parametrize("wrong", [-1, -1e-9, np.nan, np.inf, -np.inf, 2.0**63])
def test_what_is_no_latency_is_not_rounded(wrong: float) -> None:
    with pytest.raises(LatmodelError) as caught:
        ceil_ns([1.0, wrong])
    assert str(caught.value) == "a latency is negative, not finite or beyond 2**63 ns"


def test_errors_of_unknown_make_up_are_shared() -> None:
    parts = by_hand().parts
    assert parts.shared.tolist() == [0.1, 0.2]
    assert parts.independent.tolist() == [0, 0]


def test_columns_left_out_leave_the_rest_as_it_was() -> None:
    known = Uncertainty(
        shared=np.array([0.1, 0.2]), independent=np.zeros(2), groups=np.array([3, 7])
    )
    ending = Ending(prefix=1, segment_ns=np.array([8, 9]), mlp_ns=1)
    table = replace(by_hand(), uncertainty=known, timed=np.array([False, True]), ending=ending)
    assert table.only(table.counts).latency_ns((4, 2)) == table.latency_ns((4, 2))
    one = table.only(np.array([1, 4, 5]))
    assert one.counts.tolist() == [4]
    assert one.dense_ns == table.dense_ns
    assert one.latency_ns((4, 1)) == table.latency_ns((4, 1))
    assert (one.parts.groups.tolist(), one.relative_error.tolist()) == ([7], [0.2])
    assert one.timed is not None
    assert one.timed.tolist() == [True]
    with pytest.raises(LatmodelError) as caught:
        table.only(np.array([2]))
    assert str(caught.value) == (
        "counts leave out 4, the full count, which every schedule starts from"
    )
