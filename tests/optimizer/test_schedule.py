from __future__ import annotations

import pytest

from optimizer.errors import ScheduleError
from optimizer.schedule import Schedule


@pytest.mark.parametrize(
    ("tokens", "full", "prefix", "message"),
    [
        ((), 5, 1, "tokens is empty: give one count per block"),
        ((5,), 5, -1, "prefix is -1: must be 0 or more"),
        ((1, 1), 5, 1, "tokens[0] is 1: must be above prefix (1)"),
        ((5, 0), 5, 0, "tokens[1] is 0: must be above prefix (0)"),
        ((5, 1), 5, 2, "tokens[1] is 1: must be at least the prefix (2)"),
        ((1,), 1, 1, "full is 1: must be above prefix (1)"),
        (
            (5, 3, 4),
            5,
            1,
            "tokens[2] is 4, above the 3 that reach it: a dropped token cannot return",
        ),
        (
            (6,),
            5,
            1,
            "tokens[0] is 6, above the 5 that reach it: a dropped token cannot return",
        ),
    ],
)
def test_what_is_no_schedule_is_refused(
    tokens: tuple[int, ...], full: int, prefix: int, message: str
) -> None:
    with pytest.raises(ScheduleError) as caught:
        Schedule(tokens, full, prefix)
    assert str(caught.value) == message


def test_what_follows_from_the_counts() -> None:
    schedule = Schedule((10, 6, 6, 2), full=10, prefix=1)
    assert schedule.before == (10, 10, 6, 6)
    assert schedule.dropped == (0, 4, 0, 4)
    assert schedule.cuts == (1, 3)
    assert schedule.kept_fraction == 24 / 40
    assert not schedule.lossless_last
    assert schedule.worth == schedule.tokens


def test_a_lossless_last_cut_keeps_all_that_reached_it() -> None:
    """The last attention hears 6 tokens, of which the head reads what 2 of them say."""
    schedule = Schedule((10, 6, 2), full=10, prefix=2)
    assert schedule.lossless_last
    assert schedule.dropped == (0, 4, 4)
    assert schedule.worth == (10, 6, 6)
    assert schedule.kept_fraction == 22 / 30
    assert Schedule((1,), full=5, prefix=1).worth == (5,)
