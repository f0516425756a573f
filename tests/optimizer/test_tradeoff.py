from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from optimizer.errors import ScheduleError
from optimizer.schedule import Schedule
from optimizer.tradeoff import Rival, Tradeoff, TradeoffPoint


def point(latency_ns: int, *tokens: int) -> TradeoffPoint:
    schedule = Schedule(tokens, full=10, prefix=1)
    return TradeoffPoint(latency_ns, sum(tokens), schedule)


POINTS = (
    point(1_000_000, 2, 2),
    point(1_100_000, 4, 2),
    point(1_900_000, 5, 5),
    point(2_500_000, 10, 5),
    point(5_000_000, 10, 10),
)

MADE = Tradeoff(
    model="test_vit",
    batch=1,
    dtype="fp32",
    full=10,
    prefix=1,
    dense_ns=5_000_000,
    points=POINTS,
    rivals=(Rival("one cut", "POMT", (point(2_600_000, 10, 4), point(5_000_000, 10, 10))),),
    profile="paper",
    device="a sheet of paper",
    provenance=("a formula",),
    warnings=("handle with care",),
)


@pytest.mark.parametrize(
    ("budget_ns", "place"), [(1_000_000, 0), (1_899_999, 1), (1_900_000, 2), (10**9, 4)]
)
def test_the_best_within_a_budget(budget_ns: int, place: int) -> None:
    assert MADE.at(budget_ns) is POINTS[place]


def test_nothing_is_within_too_small_a_budget() -> None:
    assert MADE.at(999_999) is None


def test_thinned_keeps_both_ends_and_even_latencies() -> None:
    """Of 1 to 5 ms in three: 1, 3 and 5; nearest to 3 is 2.5. In four: 2.33 and 3.67 too."""
    assert MADE.thinned(2) == (POINTS[0], POINTS[4])
    assert MADE.thinned(3) == (POINTS[0], POINTS[3], POINTS[4])
    assert MADE.thinned(4) == (POINTS[0], POINTS[3], POINTS[4]), "2.5 is nearest to both"
    assert MADE.thinned(5) == POINTS
    with pytest.raises(ScheduleError) as caught:
        MADE.thinned(1)
    assert str(caught.value) == "most is 1: must be 2 or more, the first and the last"


def test_the_csv_by_hand() -> None:
    rows = list(csv.DictReader(io.StringIO(MADE.to_csv())))
    assert len(rows) == 5
    assert rows[1] == {
        "latency_ms": "1.100000",
        "kept_fraction": "0.300000",
        "value": "6",
        "tokens": "4 2",
    }


def test_as_plain_values_everything_is_there() -> None:
    values = MADE.to_dict()
    assert values["dense_ms"] == 5.0
    assert values["points"] == [each.to_dict() for each in POINTS]
    assert POINTS[3].to_dict() == {
        "latency_ms": 2.5,
        "kept_fraction": 0.75,
        "value": 15,
        "tokens": [10, 5],
    }
    (rival,) = MADE.rivals
    assert values["rivals"] == [
        {"name": "one cut", "method": "POMT", "points": [p.to_dict() for p in rival.points]}
    ]
    assert {"model", "batch", "dtype", "full_tokens", "prefix_tokens", "profile", "device"} < (
        values.keys()
    )


def test_points_must_rise() -> None:
    with pytest.raises(ScheduleError) as caught:
        replace(MADE, points=POINTS[::-1])
    assert str(caught.value) == "latency and value must rise from point to point"
    with pytest.raises(ScheduleError, match=r"^points is empty: a model has at least its "):
        replace(MADE, points=())
