from __future__ import annotations

import pytest

from latmodel.curve import Curve, Edge
from latmodel.measurement import Measurement
from latmodel.steps import Step, join_edges, largest_steps, steep_steps
from tests.latmodel.stairs import STAIRS


def by_count(curve: Curve) -> dict[int, float]:
    counts = range(curve.counts[0], curve.counts[-1] + 1)
    return dict(zip(counts, curve.latency_ns(counts).tolist(), strict=True))


def steps_of(curve: Curve, threshold: float = 0.05) -> tuple[Step, ...]:
    return join_edges(curve.edges(threshold), by_count(curve))


def test_a_step_whose_place_no_probe_tells_is_one_step() -> None:
    """The curve falls by a part of it at 72 and the rest at 73; neither is the edge."""
    assert [edge.count for edge in STAIRS.edges() if not edge.located] == [72, 73]
    steps = steps_of(STAIRS)
    assert [(s.first, s.last, round(s.size, 9), s.located) for s in steps] == [
        (64, 65, 0.36, True),
        (72, 74, -0.2, False),
        (96, 97, 0.25, True),
    ]


@pytest.mark.parametrize(
    "edges",
    [
        (Edge(1, 0.5, False), Edge(2, -0.3, False)),
        (Edge(1, 0.5, False), Edge(3, 0.5, False)),
        (Edge(1, 0.5, True), Edge(2, 0.5, False)),
        (Edge(1, 0.5, False), Edge(2, 0.5, True)),
        (Edge(1, 0.5, True), Edge(2, 0.5, True)),
    ],
    ids=["up and down", "apart", "known first", "known last", "both known"],
)
def test_edges_that_are_not_one_rise_stay_apart(edges: tuple[Edge, ...]) -> None:
    steps = join_edges(edges, dict.fromkeys(range(1, 9), 100.0))
    assert [(step.first, step.last, step.size) for step in steps] == [
        (edge.count, edge.count + 1, edge.size) for edge in edges
    ]


def test_a_straight_line_has_no_edge() -> None:
    """From 1 to 2 tokens it doubles, and yet nothing happens there."""
    line = Curve(tuple(Measurement(n, (1000 * n,)) for n in (1, 2, 3, 50, 100)))
    assert steps_of(line)
    assert steep_steps(steps_of(line), by_count(line)) == ()


def test_what_the_slope_does_not_explain_stays() -> None:
    steps = steps_of(STAIRS, threshold=0.04)
    assert steep_steps(steps, by_count(STAIRS)) == steps


def test_a_step_on_a_slope_stays_and_the_slope_goes() -> None:
    points = {1: 1000, 2: 2000, 64: 64_000, 65: 90_000, 100: 125_000}
    curve = Curve(tuple(Measurement(n, (ns,)) for n, ns in points.items()))
    (step,) = steep_steps(steps_of(curve), by_count(curve))
    assert (step.first, step.located) == (64, True)


def test_one_count_has_no_step() -> None:
    curve = Curve((Measurement(5, (10,)),))
    assert steep_steps(steps_of(curve), by_count(curve)) == ()


def test_the_largest_are_chosen_up_or_down_and_known_ones_first() -> None:
    steps = (
        Step(8, 16, 2.0, False),
        Step(32, 33, 0.1, True),
        Step(64, 65, -0.4, True),
        Step(128, 129, 0.3, True),
    )
    for most, chosen in ((0, ()), (1, (2,)), (2, (2, 3)), (3, (1, 2, 3)), (9, (0, 1, 2, 3))):
        assert largest_steps(steps, most) == tuple(steps[k] for k in chosen)


def test_equal_steps_are_chosen_from_the_left() -> None:
    steps = tuple(Step(n, n + 1, 0.2, True) for n in (1, 2, 3))
    assert largest_steps(steps, 2) == steps[:2]


def test_a_cause_is_said_after_the_size() -> None:
    step = Step(64, 65, 0.36, True, "next tile")
    assert (step.brief, step.words) == ("64→65 +36 %", "64→65 +36 % next tile")


def test_a_joined_step_has_the_cause_of_its_largest_edge() -> None:
    edges = (Edge(1, 0.1, False, "a"), Edge(2, 0.3, False, "b"), Edge(3, 0.2, False, "c"))
    (step,) = join_edges(edges, dict.fromkeys(range(1, 9), 100.0))
    assert (step.first, step.last, step.cause) == (1, 4, "b")
