"""The shapes against their authors' own rounding, parameter by parameter."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.baselines.shapes import (
    CONSTANT_DROP,
    EQUAL_RATIOS,
    FIXED_RATIOS,
    ONE_CUT,
    SHAPES,
    Shape,
)

Tokens = tuple[int, ...]


def rows_of(shape: Shape, depth: int, full: int, prefix: int) -> list[Tokens]:
    return [tuple(row) for row in shape.schedules(depth, full, prefix).tolist()]


def evit(rate: Fraction, depth: int, full: int, prefix: int) -> Tokens:
    """As EViT runs: after each cut the class token, what is left, and one for the rest."""
    tokens, now = [], full
    for block in range(depth):
        if block in (depth // 4, depth // 2, 3 * depth // 4):
            left = math.ceil(rate * (now - prefix))
            if left != now - prefix:
                now = prefix + left + 1
        tokens.append(now)
    return tuple(tokens)


def dynamic_vit(rate: Fraction, depth: int, full: int, prefix: int) -> Tokens:
    """As DynamicViT runs: shares of the patches that there were at first."""
    tokens, now, stage = [], full, 0
    for block in range(depth):
        if block in (depth // 4, depth // 2, 3 * depth // 4):
            stage += 1
            now = prefix + math.floor((full - prefix) * rate**stage)
        tokens.append(now)
    return tuple(tokens)


def tome(drop: int, depth: int, full: int, prefix: int) -> Tokens:
    tokens, now = [], full
    for _ in range(depth):
        now -= min(drop, (now - prefix) // 2)
        tokens.append(now)
    return tuple(tokens)


def rates(full: int) -> list[Fraction]:
    """So fine that between two neighbours nothing of so few patches changes twice."""
    return [Fraction(k, 40 * full**3) for k in range(40 * full**3, 0, -max(1, full // 3))]


@pytest.mark.parametrize(("shape", "run"), [(EQUAL_RATIOS, evit), (FIXED_RATIOS, dynamic_vit)])
@pytest.mark.parametrize(("depth", "full", "prefix"), [(4, 8, 1), (8, 7, 0), (2, 9, 2)])
def test_ratios_are_those_of_every_rate(
    shape: Shape,
    run: Callable[[Fraction, int, int, int], Tokens],
    depth: int,
    full: int,
    prefix: int,
) -> None:
    """Sweeping the rate finely from 1 down gives the same schedules in the same order."""
    swept: list[Tokens] = []
    for rate in rates(full):
        tokens = run(rate, depth, full, prefix)
        if tokens[-1] > prefix and tokens not in swept:
            swept.append(tokens)
    assert list(dict.fromkeys(rows_of(shape, depth, full, prefix))) == swept


@pytest.mark.parametrize("rate", [Fraction(7, 10), Fraction(1, 2), Fraction(9, 10)])
def test_published_rates_are_among_them(rate: Fraction) -> None:
    assert evit(rate, 12, 197, 1) in rows_of(EQUAL_RATIOS, 12, 197, 1)
    assert dynamic_vit(rate, 12, 197, 1) in rows_of(FIXED_RATIOS, 12, 197, 1)


def test_evit_by_hand() -> None:
    """At 0.7: ceil(137.2) and one, ceil(97.3) and one, ceil(69.3) and one, and the class."""
    by_hand = (197,) * 3 + (140,) * 3 + (100,) * 3 + (72,) * 3
    assert evit(Fraction(7, 10), 12, 197, 1) == by_hand
    assert by_hand in rows_of(EQUAL_RATIOS, 12, 197, 1)


def test_dynamic_vit_by_hand() -> None:
    """At 0.7 of 196: 137.2, 96.04 and 67.228, rounded down, and the class token."""
    by_hand = (197,) * 3 + (138,) * 3 + (97,) * 3 + (68,) * 3
    assert by_hand in rows_of(FIXED_RATIOS, 12, 197, 1)


@given(depth=st.integers(1, 13), patches=st.integers(1, 40), prefix=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_constant_drop_is_that_of_every_r(depth: int, patches: int, prefix: int) -> None:
    rows = rows_of(CONSTANT_DROP, depth, patches + prefix, prefix)
    assert rows == [tome(r, depth, patches + prefix, prefix) for r in range(patches // 2 + 1)]
    more = tome(patches, depth, patches + prefix, prefix)
    assert rows[-1] == more, "no larger r changes anything"


@given(depth=st.integers(1, 13), patches=st.integers(1, 40), prefix=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_one_cut_leaves_every_count_once(depth: int, patches: int, prefix: int) -> None:
    rows = rows_of(ONE_CUT, depth, patches + prefix, prefix)
    assert [row[-1] for row in rows] == list(range(patches + prefix, prefix, -1))
    for row in rows:
        assert set(row[: depth // 4]) <= {patches + prefix}
        assert len(set(row[depth // 4 :])) == 1


@pytest.mark.parametrize("shape", SHAPES)
@given(depth=st.integers(1, 13), patches=st.integers(1, 30), prefix=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_schedules_begin_uncut_and_fall(
    shape: Shape, depth: int, patches: int, prefix: int
) -> None:
    rows = rows_of(shape, depth, patches + prefix, prefix)
    assert rows[0] == (patches + prefix,) * depth
    for row in rows:
        assert all(after <= before for before, after in pairwise(row))
        assert row[-1] > prefix
    kept = [sum(row) for row in rows]
    assert kept == sorted(kept, reverse=True), "most tokens first"
