from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optimizer.images.picking import pick


@given(st.integers(0, 400), st.integers(1, 500))
def test_each_stretch_gives_one(total: int, limit: int) -> None:
    """Rising, so each once; and no class of a sorted folder gets more than its share."""
    found = pick(total, limit)
    assert len(found) == min(total, limit)
    if limit < total:
        stretches = [(k * total // limit, (k + 1) * total // limit) for k in range(limit)]
        assert all(a <= place < b for place, (a, b) in zip(found, stretches, strict=True))
    else:
        assert found == tuple(range(total))


def test_the_same_each_time_and_on_every_machine() -> None:
    assert pick(1000, 4) == pick(1000, 4) == (211, 439, 605, 814)


def test_the_place_within_a_stretch_is_drawn() -> None:
    """So a folder whose images alternate is not met by a step of the same length."""
    assert len({place % 10 for place in pick(1000, 100)}) == 10
