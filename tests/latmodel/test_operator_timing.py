"""Operators are timed in turn, corrected for drift, until they are known."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from latmodel.environment import Environment
from latmodel.errors import MeasurementError
from latmodel.interleaving import Effort
from latmodel.operator_kinds import Operator
from latmodel.operator_timing import time_operators

OPERATORS = tuple(Operator("norm", {"rows": rows, "width": 8}) for rows in (1, 40, 5, 10))


class Board:
    """Takes 1 us a row, on a clock that only its readings move; slower after a while."""

    dtype = "fp32"

    def __init__(self, slow_after: int = 10**9, slower: float = 1.0) -> None:
        self.now_ns = 0
        self.calls: list[int] = []
        self.slow_after, self.slower = slow_after, slower

    def operator_ns(self, operator: Operator, /) -> int:
        """One sample; every second is a nanosecond longer."""
        rows = int(operator.dims["rows"])  # type: ignore[arg-type]
        slow = self.slower if len(self.calls) >= self.slow_after else 1.0
        self.calls.append(rows)
        taken = round(1000 * rows * slow) + len(self.calls) % 2
        self.now_ns += taken
        return taken

    def environment(self) -> Environment:
        """Of no machine."""
        return Environment(device="board", runtime="none", dtype=self.dtype, threads=0)


def test_each_operator_gets_its_own_latency_in_order() -> None:
    board = Board()
    found = time_operators(board, OPERATORS, clock=lambda: board.now_ns / 1e9)
    assert [each.centre_ns for each in found] == pytest.approx(
        [1000, 40_000, 5_000, 10_000], abs=1
    )
    assert [each.count for each in found] == [1, 2, 3, 4]
    assert all(len(each.samples_ns) >= 3 for each in found)


def test_the_slowest_is_read_all_the_time() -> None:
    board = Board()
    time_operators(board, OPERATORS, effort=Effort(rounds=10), clock=lambda: 0.0)
    assert board.calls.count(40) > 2 * board.calls.count(1)


def test_readings_are_taken_in_turn() -> None:
    """No operator has its samples in one go."""
    board = Board()
    time_operators(board, OPERATORS, effort=Effort(rounds=10), clock=lambda: 0.0)
    places = [place for place, rows in enumerate(board.calls) if rows == 5][1:]
    assert max(b - a for a, b in pairwise(places)) <= 12
    assert places[-1] - places[0] > len(board.calls) / 2


def test_a_machine_that_gets_slower_bends_nothing() -> None:
    """Half as slow again from the middle on: the ratios stay."""
    board = Board(slow_after=60, slower=1.5)
    found = time_operators(board, OPERATORS, effort=Effort(rounds=30), clock=lambda: 0.0)
    centres = [each.centre_ns for each in found]
    assert [centre / centres[1] for centre in centres] == pytest.approx(
        [1 / 40, 1, 1 / 8, 1 / 4], rel=0.02
    )


def test_progress_is_told_from_nothing_to_all() -> None:
    told: list[tuple[str, str, float]] = []
    board = Board()
    time_operators(
        board,
        OPERATORS,
        effort=Effort(rounds=5),
        on_progress=lambda *words: told.append(words),
        clock=lambda: 0.0,
    )
    assert told[0] == ("preparing", "norm", 0.0)
    assert {phase for phase, _, _ in told} == {"preparing", "timing 4 operators"}
    assert told[-1][2] == 1.0


def test_no_operator_is_refused() -> None:
    message = "there is no operator to time: name at least one"
    with pytest.raises(MeasurementError, match=f"^{re.escape(message)}$"):
        time_operators(Board(), ())
